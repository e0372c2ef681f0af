"A reader with a browser: the demos in JupyterLab and as web apps, by pointer and by keyboard, right in every pixel"
import base64, contextlib, re
from pathlib import Path
import pytest
import standin
from browser import Demo, drive
from conftest import ROOT
from v2v_tutorial.pages import write_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

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

# ---- the real demo

def standin_page(path):
    "A page with the stand-in demo"
    write_page(path, '# Stand-in', Path(standin.__file__).read_text(), 'demo()')
    return path

@pytest.fixture
def notebook(lab):
    "Runs a page in JupyterLab and gives its panel; drops it afterwards"
    yield lab.run
    lab.close()

def test_standin_in_lab(lab, notebook):
    standin_page(lab.server.folder/'standin.ipynb')
    demo = Demo(lab.tab, notebook('standin.ipynb'))
    states = drive(demo, standin.frame)
    assert len({(s['x'],s['y']) for s in states})==3 and lab.errors()==[]
    lab.execute('def frame(state): raise ValueError("planted")')
    with pytest.raises(AssertionError, match='planted'): drive(demo, standin.frame)
    assert 'planted' in demo.complaint() and demo.error.is_visible()

def test_standin_as_app(app, tab):
    standin_page(app.folder/'pages'/'standin.ipynb')
    tab.goto(f'{app.url}/voila/render/standin.ipynb')
    drive(Demo(tab), standin.frame)
    shown = tab.locator('body').inner_text()
    assert 'Stand-in' in shown and 'import' not in shown and 'demo()' not in shown

def test_slider_of_a_lesson_moves_by_keyboard(lab, notebook):
    notebook('nbs/01_clips/01_clip.ipynb')
    handle,picture = lab.tab.locator('.widget-slider .noUi-handle').first,lab.tab.locator('.widget-image img, img.widget-image').first
    picture.wait_for()
    before = picture.get_attribute('src')
    handle.focus()
    lab.tab.keyboard.press('ArrowRight')
    lab.tab.wait_for_function('([img, src]) => img.src!=src', arg=[picture.element_handle(), before])
    assert lab.errors()==[]
