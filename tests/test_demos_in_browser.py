"The browser's half of a demo in a real Chromium, with this test as its kernel"
import json
import numpy as np, pytest
from browser import open_page
from v2v_tutorial.demos import CSS, ESM, Choice, Play, Slider, Toggle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
H, W = 24, 32

HOST = '''async ([esm, css, spec]) => {
  document.head.append(Object.assign(document.createElement('style'), {textContent: css}))
  const el = Object.assign(document.createElement('div'), {}), hears = []
  document.body.replaceChildren(el)
  window.sent = []
  window.model = {get: () => spec, on: (_, f) => hears.push(f), off: (_, f) => hears.splice(hears.indexOf(f), 1), send: m => sent.push(JSON.parse(JSON.stringify(m)))}
  window.reply = (message, bytes) => hears.forEach(f => f(message, bytes ? [new DataView(new Uint8Array([0, ...bytes]).buffer, 1)] : []))
  const {default: {render}} = await import(URL.createObjectURL(new Blob([esm], {type: 'text/javascript'})))
  window.end = render({model, el})
}'''

def ramp(state):
    "Every state gives another picture; the right edge is a fault"
    if state['x']>.95: raise ValueError('off the edge')
    ys, xs = np.mgrid[:H,:W]
    return np.stack([xs*4, ys*6, np.full_like(xs, 200*state['x']+20*state['y']+5*state['n']+(state['show']=='b'))], -1).astype(np.uint8)

class Kernel:
    "A tab with one demo, and the messages between them"
    def __init__(self, tab, size=(H,W)):
        self.tab = tab
        self.play = Play(ramp, dict(x=.2, y=.5, dx=0, dy=0, n=1, show='a'), [Slider('n', 'number', 0, 5, 1), Toggle('show', 'other', 'b', 'a'), Toggle('show', 'third', 'c', 'a')], 'a ramp', size)
        tab.evaluate(HOST, [ESM, CSS, self.play.spec()])
        self.canvas, self.panel = tab.locator('canvas.v2v-canvas'), tab.locator('.v2v-error')
    def sent(self): return self.tab.evaluate('sent')
    def state(self): return json.loads(self.canvas.get_attribute('data-state'))
    def drawn(self): return int(self.canvas.get_attribute('data-drawn'))
    def pixels(self): return np.array(self.tab.evaluate('() => { const c = document.querySelector("canvas"); return [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data] }'), np.uint8).reshape(H,W,4)
    def answer(self): # the oldest open message
        message = self.tab.evaluate('sent.shift()')
        reply, data = self.play.answer(message)
        self.tab.evaluate('([m, b]) => reply(m, b)', [reply, list(data[0]) if data else None])
        return message
    def settle(self):
        while self.sent(): self.answer()

@pytest.fixture(scope='module')
def tab(chromium, driver):
    tab = open_page(chromium, driver)
    yield tab
    tab.context.close()

@pytest.fixture
def demo(tab):
    demo = Kernel(tab)
    demo.answer()
    return demo

def test_the_first_picture_is_asked_for_at_once_and_drawn_to_the_byte(tab):
    demo = Kernel(tab)
    assert len(demo.sent())==1 and demo.drawn()==0
    demo.answer()
    assert demo.drawn()==1 and demo.state()==demo.play.state
    assert np.array_equal(demo.pixels()[...,:3], ramp(demo.state())) and (demo.pixels()[...,3]==255).all()

def test_a_picture_of_another_size_is_shown_whole(tab):
    demo = Kernel(tab, (8,40))
    demo.answer()
    assert demo.canvas.evaluate('c => [c.height, c.width]')==[H,W] and np.array_equal(demo.pixels()[...,:3], ramp(demo.state()))

@pytest.fixture
def late(tab):
    "Let the time pass after which no answer is expected any more"
    tab.evaluate('() => { window.alarms = []; window.kept = setTimeout; window.setTimeout = f => alarms.push(f) }')
    yield lambda: tab.evaluate('() => alarms.at(-1)()')
    tab.evaluate('() => { window.setTimeout = kept }')

def test_a_kernel_that_does_not_answer_is_named_and_asked_again(tab, late):
    demo = Kernel(tab)
    late()
    assert demo.panel.inner_text().startswith('No answer yet') and len(demo.sent())==1
    demo.canvas.focus()
    demo.tab.keyboard.press('ArrowRight')
    assert len(demo.sent())==2
    demo.answer() # to what was asked first
    demo.tab.keyboard.press('ArrowRight')
    assert len(demo.sent())==1, 'the second question is still open'
    demo.settle()
    assert not demo.panel.is_visible() and demo.state()['x']==pytest.approx(.24)

def test_one_message_in_flight_and_the_newest_position_wins(demo):
    box = demo.canvas.bounding_box()
    at = lambda share: (box['x']+share*box['width'], box['y']+.5*box['height'])
    demo.tab.mouse.move(*at(.3))
    demo.tab.mouse.down()
    for share in np.linspace(.3, .8, 30): demo.tab.mouse.move(*at(share))
    assert len(demo.sent())==1
    first = demo.answer()['state']['x']
    assert abs(first-.3)<.02 and len(demo.sent())==1
    demo.answer()
    demo.tab.mouse.up()
    assert abs(demo.state()['x']-.8)<.02 and demo.sent()==[]
    assert abs(demo.state()['dx']-(demo.state()['x']-first))<1e-6  # the move since the last picture
    demo.tab.mouse.move(*at(.1))
    assert demo.sent()==[], 'moved without a button'

def test_it_is_busy_while_an_answer_is_awaited(demo, late):
    busy = lambda: demo.canvas.get_attribute('aria-busy')=='true'
    assert not busy()
    demo.canvas.focus()
    for _ in range(2): demo.tab.keyboard.press('ArrowRight')
    assert busy()
    demo.answer()
    assert busy(), 'the second move is still to be shown'
    demo.answer()
    assert not busy()
    demo.tab.keyboard.press('ArrowRight')
    late()
    assert not busy(), 'an answer that no longer is expected'
    demo.settle()

def test_fifty_moves_leave_no_blank_picture(demo):
    demo.canvas.focus()
    for i in range(50):
        demo.tab.keyboard.press('ArrowRight' if i%20<10 else 'ArrowLeft')
        assert (demo.pixels()[...,3]==255).all()
        demo.settle()
        assert np.array_equal(demo.pixels()[...,:3], ramp(demo.state()))
    assert demo.drawn()==51

@pytest.mark.parametrize('key,x,y', [('ArrowLeft',-.02,0), ('ArrowRight',.02,0), ('ArrowUp',0,-.02), ('ArrowDown',0,.02), ('Shift+ArrowRight',.1,0), ('Shift+ArrowUp',0,-.1)])
def test_arrow_keys_move_it(demo, key, x, y):
    demo.canvas.focus()
    demo.tab.keyboard.press(key)
    demo.settle()
    assert (demo.state()['x'],demo.state()['y'])==pytest.approx((.2+x, .5+y)) and (demo.state()['dx'],demo.state()['dy'])==pytest.approx((x, y))

def test_it_stays_in_the_picture(demo):
    demo.canvas.focus()
    for _ in range(4): demo.tab.keyboard.press('Shift+ArrowLeft')
    demo.settle()
    assert demo.state()['x']==0
    for _ in range(6): demo.tab.keyboard.press('Shift+ArrowDown')
    demo.settle()
    assert demo.state()['y']==1

def test_a_key_that_moves_the_picture_does_not_move_the_page(demo):
    demo.tab.evaluate("() => { window.stopped = []; addEventListener('keydown', e => stopped.push(e.key, e.defaultPrevented)) }")
    demo.canvas.focus()
    for key in ('ArrowDown', 'a'): demo.tab.keyboard.press(key)
    assert demo.tab.evaluate('stopped')==['ArrowDown', True, 'a', False]

def test_a_slider_shows_its_value_and_leaves_the_last_move_as_it_is(demo):
    slider, value = demo.tab.get_by_role('slider'), demo.tab.locator('output')
    assert slider.input_value()==value.inner_text()=='1'
    demo.canvas.focus()
    demo.tab.keyboard.press('ArrowRight')
    demo.settle()
    slider.focus()
    demo.tab.keyboard.press('ArrowRight')
    demo.settle()
    assert demo.state()['n']==2 and value.inner_text()=='2' and (demo.state()['dx'],demo.state()['dy'])==pytest.approx((.02,0))

def test_keys_alone_reach_everything(demo):
    demo.canvas.focus()
    for key,name,value in (('ArrowRight','n',2), (' ','show','b'), (' ','show','c'), (' ','show','a')):
        if value!='a': demo.tab.keyboard.press('Tab')
        demo.tab.keyboard.press(key)
        demo.settle()
        assert demo.state()[name]==value
    assert not demo.tab.get_by_label('other').is_checked()

def test_toggles_of_one_name_exclude_each_other(demo):
    demo.tab.get_by_label('other').check()
    demo.tab.get_by_label('third').check()
    assert not demo.tab.get_by_label('other').is_checked()
    demo.settle()
    assert demo.state()['show']=='c'

def test_everything_has_a_name_and_a_role(demo):
    assert demo.tab.get_by_role('application', name='a ramp').count()==1
    assert demo.tab.get_by_role('slider', name='number').count()==1 and demo.tab.get_by_role('checkbox', name='other').count()==1
    assert demo.canvas.get_attribute('tabindex')=='0' and demo.panel.get_attribute('role')=='alert'

def test_a_fault_shows_leaves_the_picture_and_goes_away(demo):
    assert not demo.panel.is_visible()
    before = demo.pixels()
    demo.canvas.focus()
    for _ in range(9): demo.tab.keyboard.press('Shift+ArrowRight')
    demo.settle()
    assert demo.panel.inner_text()=='ValueError: off the edge' and demo.panel.is_visible()
    assert demo.state()['x']<.95 and (demo.pixels()[...,3]==255).all() and before.shape==demo.pixels().shape
    demo.tab.keyboard.press('Shift+ArrowLeft')
    demo.settle()
    assert not demo.panel.is_visible() and demo.state()['x']==pytest.approx(.9) and np.array_equal(demo.pixels()[...,:3], ramp(demo.state()))

def test_what_belongs_to_another_view_is_left_alone(demo):
    reply, data = demo.play.answer(dict(view='someone else', id=99, state={**demo.play.state, 'x': .7}))
    demo.tab.evaluate('([m, b]) => reply(m, b)', [reply, list(data[0])])
    assert demo.drawn()==1 and demo.state()['x']==.2

def test_when_it_is_taken_away_it_stops_listening(demo):
    demo.tab.evaluate('end()')
    demo.tab.evaluate('m => reply(m)', dict(error='late'))
    assert demo.panel.inner_text()==''

def luminance(rgb): return sum(w*(v/12.92 if v<=.03928 else ((v+.055)/1.055)**2.4) for w,v in zip((.2126,.7152,.0722), (int(c)/255 for c in rgb)))

@pytest.mark.parametrize('page,text', [('#fff','#111'), ('#111','#eee')])
def test_all_text_can_be_read_on_a_light_and_on_a_dark_page(demo, page, text):
    "Contrast of 4.5 or more (WCAG AA)"
    demo.tab.evaluate('([page, text]) => Object.assign(document.body.style, {background: page, color: text})', [page, text])
    demo.tab.evaluate('() => document.querySelector(".v2v-error").textContent = "x"')
    colours = '([s, on]) => [getComputedStyle(document.querySelector(s)).color, getComputedStyle(document.querySelector(on)).backgroundColor].map(c => c.match(/\\d+/g).slice(0, 3))'
    for what,on in (('.v2v-controls label','body'), ('.v2v-error','.v2v-error')):
        a, b = sorted(map(luminance, demo.tab.evaluate(colours, [what, on])))
        assert (b+.05)/(a+.05)>=4.5

# ---- a native select, controls that rest, a legend

def tint(state): return np.full((H,W,3), dict(red=(200,0,0), green=(0,200,0), blue=(0,0,200))[state['tint']], np.uint8)

class Palette(Kernel):
    "A demo with a select, a slider that rests for green, and a legend"
    def __init__(self, tab):
        self.tab, colours = tab, dict(red='Warm', green='Fresh', blue='Cool')
        self.play = Play(tint, dict(x=.5, y=.5, tint='green', n=1), [Choice('tint', 'colour', colours), Slider('n', 'number', 0, 5, 1, dict(tint=['red','blue']))], 'one colour',
                         notes=lambda s: [('', 'one colour'), ('#c80000', f'<b>{s["tint"]}</b>')], wide=240)
        tab.evaluate(HOST, [ESM, CSS, json.loads(json.dumps(self.play.spec()))])
        self.canvas, self.panel = tab.locator('canvas.v2v-canvas'), tab.locator('.v2v-error')
        self.select, self.notes = tab.get_by_role('combobox', name='colour'), tab.locator('.v2v-notes')
        self.answer()

@pytest.fixture
def palette(tab): return Palette(tab)

def test_a_select_shows_the_state_and_changes_the_picture(palette):
    assert palette.select.evaluate('s => s.selectedOptions[0].text')=='Fresh' and palette.select.evaluate('s => [...s.options].map(o => o.text)')==['Warm','Fresh','Cool']
    palette.select.select_option('Cool')
    palette.settle()
    assert palette.state()['tint']=='blue' and (palette.pixels()[...,:3]==(0,0,200)).all()

def test_a_select_follows_the_keys(palette):
    palette.canvas.focus()
    palette.tab.keyboard.press('Tab')
    assert palette.select.evaluate('s => s===document.activeElement')
    palette.tab.keyboard.press('ArrowUp')
    palette.settle()
    assert palette.state()['tint']=='red' and (palette.pixels()[...,:3]==(200,0,0)).all()

def test_a_control_rests_where_it_does_nothing(palette):
    slider = palette.tab.get_by_role('slider')
    assert slider.is_disabled()
    palette.select.select_option('Warm')
    assert slider.is_enabled()

def test_the_legend_follows_the_picture_and_is_text(palette):
    assert palette.notes.get_attribute('role')=='status' and palette.notes.locator('li').all_inner_texts()==['one colour','<b>green</b>']
    palette.select.select_option('Warm')
    palette.settle()
    assert palette.notes.locator('li').last.inner_text()=='<b>red</b>'
    marks = palette.notes.locator('.v2v-mark')
    assert marks.last.evaluate('m => getComputedStyle(m).backgroundColor')=='rgb(200, 0, 0)' and not marks.first.is_visible()

def test_a_demo_is_as_wide_as_it_says(palette): assert palette.canvas.bounding_box()['width']==240
