"A reader with a browser: the demos in JupyterLab and as web apps, by pointer and by keyboard, right in every pixel"
import base64, html, re, subprocess
import pytest, standin
from browser import PAGE_MS, Demo, drive
from conftest import ROOT
from v2v_tutorial import demos, explorer
from v2v_tutorial.pages import code_cells, read_page, write_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

# ---- the helpers notice what is wrong: a stand-in demo in a bare page, answered by this very process

MODEL = '''<body tabindex="-1"><p>Before</p><button>first</button><div id="here"></div><script type="module">
let heard
const model = {
  on: (_, f) => heard = f,
  send: async state => {
    const [answer, buffer] = await window.answer(state)
    heard(answer, buffer ? [new DataView(Uint8Array.from(atob(buffer), c => c.charCodeAt(0)).buffer)] : [])
  }}
%s
render({model, el: document.querySelector('#here')})
</script>'''

@pytest.fixture
def stand_in(tab, monkeypatch):
    "The stand-in with one fault"
    def make(fault='', js=lambda js: js):
        monkeypatch.setattr(standin, 'FAULT', fault)
        def answer(state):
            try: reply,buffers = standin.answer(state)
            except Exception as error: return [dict(error=str(error)), None]
            return [reply, base64.b64encode(buffers[0]).decode()]
        tab.expose_function('answer', answer)
        tab.set_content(MODEL % js(standin.script().replace('export default {render}', '')))
        return Demo(tab)
    return make

def test_reader_finds_nothing_wrong_with_a_good_demo(stand_in):
    states = drive(stand_in(), standin.frame)
    assert len({(s['x'],s['y']) for s in states})==3

@pytest.mark.parametrize('fault,says', [('blank','blank'), ('pixel','off by'), ('raise','stand-in refuses'), ('silent','change nothing')])
def test_reader_notices(stand_in, fault, says):
    with pytest.raises(AssertionError, match=says): drive(stand_in(fault), standin.frame)

@pytest.mark.parametrize('old,new,says', [
    ('tabIndex: 0', 'tabIndex: -1', 'Tab never reach'), ('canvas.onkeydown', 'canvas.ondblclick', 'change nothing'),
    ('const ask =', 'canvas.onpointerdown = () => nothing.there(); const ask =', 'errors in the page')])
def test_reader_notices_what_the_page_does_wrong(stand_in, old, new, says):
    demo = stand_in(js=lambda js: js.replace(old, new))
    with pytest.raises(AssertionError, match=says): drive(demo, standin.frame)

# ---- the real pages

def sources(page): # first lines of the code of a page
    return [c['source'].splitlines()[0] for c in code_cells(read_page(page)) if c['source']]

@pytest.fixture
def notebook(lab):
    "Runs a page in JupyterLab; drops it afterwards"
    yield lab.run
    lab.close()

def test_quickstart_in_lab(lab, notebook):
    demo = Demo(lab.tab, notebook('nbs/00_quickstart.ipynb'))
    states = drive(demo, demos.quickstart_frame)
    assert len({(s['x'],s['y']) for s in states})==3 and lab.errors()==[]
    # the same reader notices when the demo's function begins to raise, and so would anybody else
    lab.execute('from v2v_tutorial import demos\ndef broken(*_): raise ValueError("planted")\ndemos.quickstart_views = broken')
    with pytest.raises(AssertionError, match='planted'): drive(demo, demos.quickstart_frame)
    assert 'planted' in demo.complaint() and demo.error.is_visible()

def test_quickstart_without_widget_libraries(lab, notebook):
    "No demo then, but its still strip, and nothing breaks"
    panel = notebook('nbs/00_quickstart.ipynb', kernel='no_widgets')
    assert lab.errors()==[] and not panel.locator('canvas.v2v-canvas').count()
    alt = html.unescape(re.search('alt="([^"]*)"', demos.quickstart_strip().data)[1])
    assert panel.get_by_alt_text(alt).count()==2  # in place of the demo, and below it

def test_quickstart_as_app(app, tab):
    tab.goto(f'{app.url}/voila/render/00_quickstart.ipynb', wait_until='commit')
    drive(Demo(tab), demos.quickstart_frame)
    shown = tab.locator('body').inner_text()
    assert 'Quickstart' in shown and not [s for s in sources(ROOT/'nbs'/'00_quickstart.ipynb') if s in shown]

def explore(tab, demo):
    "Pointer and keys pick pixels; each list changes the picture to the one its state says"
    states = drive(demo, explorer.explorer_frame)
    for label,choice in (('show','instances'), ('world','dance'), ('show','key points')):
        with demo.watched(1): tab.get_by_role('combobox', name=label).select_option(choice)
        states.append(demo.check(explorer.explorer_frame))
    with demo.watched(1):
        tab.get_by_role('combobox', name='show').focus()
        tab.keyboard.press('ArrowUp')
    states.append(demo.check(explorer.explorer_frame))
    assert states[-1]['layer']=='uv' and states[-1]['world']=='dance'
    assert tab.locator('.v2v-notes li').first.inner_text()==explorer.explorer_notes(states[-1])[0][1]

def test_explorer_in_lab(lab, notebook):
    explore(lab.tab, Demo(lab.tab, notebook('nbs/08_apps/02_explorer.ipynb')))
    assert lab.errors()==[]

def test_explorer_as_app(app, tab):
    tab.goto(f'{app.url}/voila/render/02_explorer.ipynb', wait_until='commit')
    explore(tab, Demo(tab))

APPS = sorted(p.name for p in (ROOT/'nbs'/'08_apps').glob('*.ipynb'))

@pytest.mark.parametrize('page', APPS)
def test_other_apps(app, tab, page):
    tab.goto(f'{app.url}/voila/render/{page}', wait_until='commit')
    Demo(tab).listen()
    shown = tab.locator('body').inner_text()
    assert 'Traceback' not in shown and not [s for s in sources(ROOT/'nbs'/'08_apps'/page) if s in shown]

def test_app_lists_the_demos_and_nothing_else(app, tab):
    tab.goto(app.url)
    tab.get_by_text('00_quickstart.ipynb').first.wait_for()
    shown = tab.locator('body').inner_text()
    assert all(page in shown for page in APPS) and sorted(re.findall(r'\w+\.ipynb', shown))==['00_quickstart.ipynb', *APPS]
    assert f'Demos: {app.url.replace("127.0.0.1", "localhost")}/' in app.log.read_text()

def test_slider_of_a_lesson_moves_by_keyboard(lab, notebook):
    panel = notebook('nbs/01_clips/01_clip.ipynb')
    handle,picture = panel.locator('.widget-slider .noUi-handle').first,panel.locator('img.widget-image, .widget-image img').first
    picture.wait_for(timeout=PAGE_MS)  # all cells of the page run before it
    before = picture.get_attribute('src')
    handle.focus()
    lab.tab.keyboard.press('ArrowRight')
    lab.tab.wait_for_function('([img, src]) => img.src!=src', arg=[picture.element_handle(), before])
    assert lab.errors()==[]

def test_error_in_a_cell_is_noticed(lab, notebook):
    write_page(lab.server.folder/'broken.ipynb', '1/0')
    notebook('broken.ipynb')
    assert lab.errors()==['ZeroDivisionError: division by zero']

# ---- the command

def test_help_lists_the_app():
    said = subprocess.run(['make', 'help'], cwd=ROOT, capture_output=True, text=True, timeout=60).stdout
    assert re.search(r'(?m)^ *app +serve the demos', said)
