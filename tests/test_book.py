"The site is whole: pages in order, nothing of nbdev left, links that lead somewhere; and a browser without a network shows all of it"
import ast, hashlib, os, re, shutil, subprocess, sys
from html import unescape
from pathlib import Path
import nbformat, pytest
from v2v_tutorial.book import adapt, build, check, contents, stage
from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.pages import code_cells, page_paths, read_page, write_page
from v2v_tutorial.reference import dotted, modules
from conftest import ROOT

pytestmark = pytest.mark.filterwarnings('ignore:.*Check CHANGES for Sphinx API')  # said to the makers of extensions

# ---- a project of four pages

def put(root, page, *cells):
    path = root/'nbs'/page
    path.parent.mkdir(parents=True, exist_ok=True)
    write_page(path, *cells)

@pytest.fixture
def small(tmp_path):
    root = tmp_path/'small'
    put(root, 'index.ipynb', '# Small\n\nSee [two](02_b/01_two.ipynb), [law](../LAW.md#top), [answers](solutions).\n\n'
        '| page |\n|---|\n| [1.1 The first](01_a/01_one.ipynb) |\n| [2.1 Second](02_b/01_two.ipynb) and [tool](tools/tool.ipynb) |')
    put(root, '01_a/00_new.ipynb', '# New')
    put(root, '01_a/01_one.ipynb', '# One\n\n> First', '#| default_exp a.one', '#| export\ndef one(): return 1', '# Formula\nwith $$x^2$$ inside')
    put(root, '02_b/01_two.ipynb', '# Two')
    put(root, 'tools/tool.ipynb', '# Tool')
    put(root, 'solutions/01_a/01_one.ipynb', '# Answers')
    (root/'LAW.md').write_text('# Law\n\nSee [code](x.py) and [web](https://example.org/a).')
    shutil.copy(ROOT/'settings.ini', root)
    module = root/'v2v_tutorial'/'a'/'one.py'
    module.parent.mkdir(parents=True)
    cell = read_page(root/'nbs'/'01_a'/'01_one.ipynb').cells[2].id
    module.write_text(f'"First"\n__all__ = ["one"]\n\n# %% ../../nbs/01_a/01_one.ipynb #{cell}\ndef one(): return 1\n')
    return root

def test_order_is_that_of_the_tables_on_the_first_page(small):
    assert list(contents(small).items())==[('01_a', [('1.1 The first', '01_a/01_one'), ('', '01_a/00_new')]), ('02_b', [('2.1 Second', '02_b/01_two')]),
                                           ('tools', [('', 'tools/tool')])]

def test_every_page_but_solutions_is_in_the_contents():
    listed = {page+'.ipynb' for pages in contents(ROOT).values() for _,page in pages}
    there = {p.relative_to(ROOT/'nbs').as_posix() for p in page_paths(ROOT)}
    assert listed=={p for p in there if not p.startswith('solutions/')}-{'index.ipynb'}

def adapted(root, *cells, page='tools/p.ipynb'):
    put(root, page, *cells)
    return adapt(read_page(root/'nbs'/page), page, root).cells

def sources(cells): return [c.source for c in cells if c.id!='how-to-run']

def test_directives_and_hidden_cells_go(small):
    cells = adapted(small, '# T', '#| default_exp tools.p', '#| hide\nx = 1', '#|export\n#| eval: false\ndef f():\n    pass  #| not one', '#| echo: false\n1', '#| hide_output\n2')
    assert sources(cells)==['# T', 'def f():\n    pass  #| not one', '1', '2']
    assert [c.metadata.get('tags') for c in cells[2:]]==[[], ['remove-input'], ['remove-output']]

@pytest.mark.parametrize('link,leads', [
    ('../LAW.md', '../project/LAW.md'), ('../../LAW.md#a', '../project/LAW.md#a'), ('../solutions', '../solutions/index.md'), ('../01_a/01_one.ipynb#x', '../01_a/01_one.ipynb#x'),
    ('https://a.org/b', 'https://a.org/b'), ('#here', '#here'), ('gone.ipynb', 'gone.ipynb')])
def test_links(small, link, leads):
    (small/'nbs'/'LAW.md').write_text('inside')
    leads = '../LAW.md' if link=='../LAW.md' else leads
    assert sources(adapted(small, '# T', f'# A [word]({link})'))[1]==f'# A [word]({leads})'

def test_tags_of_a_cell_stay(small):
    put(small, 'tools/p.ipynb', '# T', '#| echo: false\n1')
    nb = read_page(small/'nbs'/'tools'/'p.ipynb')
    nb.cells[1].metadata['tags'] = ['mine']
    assert adapt(nb, 'tools/p.ipynb', small).cells[-1].metadata.tags==['mine', 'remove-input']

def test_formulas_get_lines_of_their_own(small):
    assert sources(adapted(small, '# T', '# F\nso $$a\n+b$$, and $c$.'))[1]=='# F\nso\n\n$$\na\n+b\n$$\n\n, and $c$.'

def test_hints_are_folded_and_alternative_texts_kept(small):
    put(small, 'tools/p.ipynb', '# T', '1')
    nb = read_page(small/'nbs'/'tools'/'p.ipynb')
    nb.cells[1].outputs = [nbformat.v4.new_output('display_data', {'image/png': ''}, metadata={'alt': 'a cat'})]
    nb.cells.append(nbformat.v4.new_markdown_cell('> **Hint** look'))
    cells = adapt(nb, 'tools/p.ipynb', small).cells
    assert cells[2].metadata.mystnb.image.alt=='a cat'
    assert cells[3].source.startswith('<details') and '\n\n> **Hint** look\n\n' in cells[3].source

def test_a_page_says_how_it_is_run_and_where_its_other_half_is(small):
    how = {p: adapt(read_page(small/'nbs'/p), p, small).cells[1].source for p in ('01_a/01_one.ipynb', 'solutions/01_a/01_one.ipynb')}
    lesson, answers = how.values()
    assert '`make lab`, then `nbs/01_a/01_one.ipynb`' in lesson and '[a.one](../api/a.one.md)' in lesson and '(../solutions/01_a/01_one.ipynb)' in lesson
    assert '[One](../../01_a/01_one.ipynb)' in answers

def test_sources_of_the_site(small, tmp_path):
    site = stage(small, tmp_path/'sources')
    index = read_page(site/'index.ipynb').cells[-1].source
    assert 'how-to-run' not in [c.id for c in read_page(site/'index.ipynb').cells]
    assert index.count(':hidden:')==4 and ':caption: 1 · a\n\n1.1 The first <01_a/01_one>\n01_a/00_new\n' in index and 'solutions' not in index
    assert (site/'project'/'LAW.md').read_text().endswith('See code and [web](https://example.org/a).')
    assert '[Answers](01_a/01_one.ipynb)' in (site/'solutions'/'index.md').read_text()
    assert read_page(site/'solutions'/'01_a'/'01_one.ipynb').metadata.orphan is True
    assert '[One](../01_a/01_one.ipynb)' in (site/'api'/'a.one.md').read_text()
    assert not list(site.rglob('*.toml')) and {p.name for p in (site/'_static').iterdir()}=={'book.css', 'book.js', 'mathjax'}

NPM = '67ebcdf995bf68890089bb2e6cab3e9e68f501f0cdebab28cfc46b617e1594cc'  # sha256 over tex-mml-chtml.js and the fonts of mathjax@3.2.2 as npm has them

def test_mathjax_is_the_published_one(small, tmp_path):
    folder = stage(small, tmp_path/'sources')/'_static'/'mathjax'
    files = sorted(p for p in folder.rglob('*') if p.is_file())
    assert hashlib.sha256(b''.join(p.read_bytes() for p in files)).hexdigest()==NPM

# ---- the checks can fail

PAGE = '<html><body><h1 id="top-of-it">T</h1><img alt="a cat" src="cat.png"><a name="old">o</a>{}</body></html>'

def faults(tmp_path, body='', css=''):
    for name,text in {'a.html': body, 'sub/b.html': '<p id="ü">'}.items():
        (tmp_path/name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path/name).write_text(PAGE.format(text).replace('cat.png', '../cat.png' if '/' in name else 'cat.png'))
    (tmp_path/'cat.png').touch()
    (tmp_path/'a.css').write_text(css)
    return check(tmp_path)[0]

@pytest.mark.parametrize('body', ['<a href="sub/b.html#%C3%BC">', '<a href="sub/%62.html">', '<a href="#old">', '<a href="#">', '<a href="a.html?q=1#top-of-it">', '<a href="https://a.org/x">',
                                  '<a href="mailto:a@b.org">', '<video src="data:video/mp4;base64,AAA">', '<link rel="next" href="sub/b.html">'])
def test_good_links_pass(tmp_path, body): assert faults(tmp_path, body)==[]

@pytest.mark.parametrize('body', [
    '<a href="gone.html">', '<a href="sub/b.html#gone">', '<a href="#gone">', '<a href="/a.html">', '<a href="sub">', '<a href="https//a.org">', '<a href="https://a">',
    '<script src="https://cdn.example.org/x.js">', '<script src="//cdn.example.org/x.js">', '<img alt="x" src="http://a.org/x.png">', '<img src="cat.png">',
    '<img alt=" " src="cat.png">', '<link rel="stylesheet" href="https://a.org/x.css">', '<video poster="gone.png">', '<link rel="stylesheet" href="gone.css">',
    '<p style="background: url(\'https://a.org/x.png\')">', '<iframe src="https://a.org/x">', '<object data="https://a.org/x">'])
def test_planted_fault_is_found(tmp_path, body):
    found, = faults(tmp_path, body)
    assert found.endswith('loaded from the network')==('//' in body and '<a' not in body)

@pytest.mark.parametrize('css,n', [('a{b:url(cat.png)} c{d:url("data:x")} e{f:url(#g)}', 0), ('a{b:url(https://a.org/x)}', 1), ('@import "//a.org/x";', 1), ('a{b:url(gone.png)}', 1)])
def test_styles_load_nothing_from_a_network(tmp_path, css, n): assert len(faults(tmp_path, css=css))==n

def test_links_to_the_web_are_listed(tmp_path):
    faults(tmp_path, '<a href="https://b.org/"><a href="https://a.org/x"><a href="https://b.org/">')
    assert check(tmp_path)[1]==['https://a.org/x', 'https://b.org/']

@pytest.mark.timeout(600)
def test_broken_page_is_reported(small, tmp_path):
    put(small, '02_b/01_two.ipynb', '# Two\n\n[lost](gone.ipynb) <script src="https://cdn.example.org/x.js"></script>')
    with pytest.raises(InputError) as said: build(small, tmp_path/'book')
    assert 'gone.ipynb' in str(said.value) and 'cdn.example.org/x.js: loaded from the network' in str(said.value)
    assert not (tmp_path/'book').exists() and str(tmp_path) not in str(said.value)

@pytest.fixture
def sphinx_says(monkeypatch):
    "Sphinx replaced by one that makes a page with this text and has these warnings"
    def replace(text='fine', warnings=()):
        def sphinx(sources, site, root):
            site.mkdir()
            for name in ('.buildinfo', 'index.html'): (site/name).write_text(text)
            return list(warnings)
        monkeypatch.setattr('v2v_tutorial.book._sphinx', sphinx)
    return replace

@pytest.mark.parametrize('says,fails', [({}, False), (dict(warnings=['no such role']), True), (dict(text='<a href="gone">'), True)])
def test_a_site_takes_the_place_of_the_earlier_one_when_it_is_whole(small, tmp_path, sphinx_says, says, fails):
    out = tmp_path/'book'
    out.mkdir()
    for old in ('.buildinfo', 'old.html'): (out/old).touch()
    sphinx_says(**says)
    if fails:
        with pytest.raises(InputError, match='no such role|gone'): build(small, out)
    else: assert build(small, out)==[]
    assert {p.name for p in out.iterdir()}=={'.buildinfo', 'old.html' if fails else 'index.html'}

def test_a_folder_of_other_things_is_left_alone(small, tmp_path, sphinx_says):
    sphinx_says()
    (tmp_path/'mine').mkdir()
    (tmp_path/'mine'/'thesis.txt').touch()
    for out in (tmp_path/'mine', tmp_path/'mine'/'thesis.txt'):
        with pytest.raises(InputError, match='something else'): build(small, out)
    assert (tmp_path/'mine'/'thesis.txt').exists()

def test_missing_package_is_one_line(tmp_path):
    block = "import sys, importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n=='myst_nb' else f(n, *a); from v2v_tutorial.book import app; app()"
    p = subprocess.run([sys.executable, '-c', block, '--out', str(tmp_path/'b')], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert p.returncode==2 and p.stderr=="the book needs myst_nb: pip install 'v2v_tutorial[book]'\n" and not (tmp_path/'b').exists(), p.stderr

# ---- the whole book, built once

@pytest.fixture(scope='session')
def book(tmp_path_factory):
    "The site of this very project; workers of one run share it"
    from filelock import FileLock
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get('PYTEST_XDIST_WORKER') else base
    with FileLock(base/'book.lock'):
        if not (base/'book').exists(): build(ROOT, base/'book')
    return base/'book'

whole = pytest.mark.timeout(900)

def main_text(html): return html[html.index('<article'):html.rindex('</article>')]

@whole
def test_every_page_is_there_whole(book):
    for path in page_paths(ROOT):
        nb, html = read_page(path), main_text((book/path.relative_to(ROOT/'nbs').with_suffix('.html')).read_text())
        shown = ''.join(o['data'].get('text/html', '') for c in code_cells(nb) if not re.match(r'#\|\s*hide\s*$', c['source'], flags=re.M) for o in c['outputs'] if 'data' in o)
        texts = re.findall(r'<img[^>]*?\balt="([^"]+)"', shown)
        assert {unescape(t) for t in texts} <= {unescape(t) for t in re.findall(r'\balt="([^"]+)"', html)}, path
        assert html.count('<video')==shown.count('<video') and not re.search(r'(?m)^(<[^>]*>)*#\|', html), path

@whole
def test_every_public_name_has_its_place(book):
    for m in modules(ROOT):
        full = dotted(m, ROOT)
        html = (book/'api'/f'{full.split(".", 1)[1]}.html').read_text()
        listed = next(ast.literal_eval(n.value) for n in ast.parse(m.read_text()).body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0])=='__all__')
        assert not [n for n in listed if f'id="{full}.{n}"' not in html]

@whole
def test_pages_lead_on_in_reading_order(book):
    order = [page for pages in contents(ROOT).values() for _,page in pages]
    for here,there in zip(order, order[1:]):
        found = re.search(r'<link rel="next"[^>]*href="([^"]+)"', (book/f'{here}.html').read_text())[1]
        assert (book/f'{here}.html').parent.joinpath(found).resolve()==(book/f'{there}.html').resolve()
    assert 'href="solutions/index.html"' in (book/'index.html').read_text()

@whole
def test_the_book_is_not_large(book):
    assert sum(p.stat().st_size for p in book.rglob('*') if p.is_file())<40e6 and not list(book.rglob('*.map'))

# ---- in a browser

ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

class Log(list):
    "What a tab asks for beyond the disk, and what it complains about"
    def __init__(self, tab):
        tab.on('request', lambda r: None if r.url.startswith(('file:', 'data:', 'blob:')) else self.append(f'asks for {r.url}'))
        tab.on('requestfailed', lambda r: self.append(f'lacks {r.url[:200]}'))
        tab.on('console', lambda m: self.append(f'{m.type}: {m.text}') if m.type in ('error', 'warning') else None)
        tab.on('pageerror', lambda e: self.append(f'raises {e}'))

@pytest.fixture(scope='module')
def browser(chromium_path):
    from playwright.sync_api import sync_playwright
    with sync_playwright() as pw:
        browser = pw.chromium.launch(executable_path=chromium_path, args=ARGS, timeout=120_000)
        yield browser
        browser.close()

@pytest.fixture
def tab(browser):
    context = browser.new_context(viewport=dict(width=1400, height=900))
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    tab.log = Log(tab)
    yield tab
    context.close()

def in_browser(test): return pytest.mark.browser(whole(test))

@in_browser
def test_lesson_from_the_disk(book, tab):
    "Formulas, pictures, film and folds, with no network and no complaint"
    tab.goto((book/'04_vid2vid'/'01_generator.html').as_uri())
    tab.wait_for_selector('mjx-container', state='attached')
    tab.wait_for_function('() => document.fonts.status=="loaded"')
    assert tab.evaluate("() => document.fonts.check('16px MJXTEX') && document.querySelector('mjx-container').offsetHeight")>5
    pictures = tab.evaluate("() => [...document.querySelectorAll('article img')].map(i => [i.naturalWidth, i.alt.length])")
    assert pictures and all(w>0 and n>0 for w,n in pictures)
    state = tab.evaluate("""async () => { const v = document.querySelector('video'); v.muted = true; await v.play()
        await new Promise(go => v.requestVideoFrameCallback(go)); return [v.readyState, v.videoWidth, v.currentTime] }""")
    assert state[0]>=2 and state[1]>0, state
    fold = tab.locator('details.hints').first
    assert not fold.locator('blockquote').is_visible()
    fold.locator('summary').click()
    assert fold.locator('blockquote').is_visible() and tab.log==[]

@in_browser
def test_film_that_moves_on_the_first_page_and_a_reference_page(book, tab):
    tab.goto((book/'index.html').as_uri())
    assert tab.evaluate("() => document.querySelector('article img').naturalWidth")>100
    tab.goto((book/'api'/'motion.warp.html').as_uri())
    tab.locator('details.source summary').first.click()
    assert tab.locator('details.source pre').first.is_visible() and tab.get_by_text('backward flow in pixels, x then y').first.is_visible()
    assert tab.log==[]

@in_browser
def test_search_from_the_disk(book, tab):
    tab.goto((book/'search.html').as_uri()+'?q=occlusion')
    tab.wait_for_selector('#search-results li a')
    found = tab.eval_on_selector_all('#search-results li a', 'links => links.map(a => a.getAttribute("href"))')
    assert any('04_vid2vid/01_generator.html' in f for f in found) and tab.log==[], (found, tab.log)

@in_browser
def test_dark_mode_is_readable(book, browser):
    context = browser.new_context(color_scheme='dark')
    tab = context.new_page()
    tab.goto((book/'04_vid2vid'/'01_generator.html').as_uri())
    light = """s => { const e = document.querySelector(s), c = getComputedStyle(e); return [c.color, c.backgroundColor].map(x => x.match(/[\\d.]+/g).slice(0, 3).reduce((a, b) => a + +b, 0)/765) }"""
    (text,_),(_,ground) = tab.evaluate(light, 'article p'), tab.evaluate(light, 'body')
    code,behind = tab.evaluate(light, 'article .cell_input pre')
    plain = tab.evaluate("() => getComputedStyle(document.querySelector('.cell_output img')).filter")
    context.close()
    assert ground<.25 and text-ground>.5 and code-behind>.4 and plain=='none'

@in_browser
def test_the_log_can_complain(tab, tmp_path):
    (tmp_path/'a.html').write_text('<img alt="x" src="http://127.0.0.1:9/x.png"><script>console.error("no"); throw Error("oh")</script><img alt="y" src="gone.png">')
    tab.goto((tmp_path/'a.html').as_uri())
    says = '\n'.join(tab.log)
    assert all(w in says for w in ('asks for http://127.0.0.1:9/x.png', 'error: no', 'raises', 'lacks file:'))
