"Every page runs, is quick, is fresh, and is fit to be committed"
import ast, base64, json, os, re, subprocess
from pathlib import Path
import nbformat, pytest
from v2v_tutorial.pages import code_cells, execute, is_stale, page_paths, read_page, run_page, write_page
from conftest import LEDGER, ROOT

LIMIT_S = 60                # seconds for one page in FAST mode
KB,MB = 1000,1000**2
PAGE_MAX,PICTURE_MAX,FILM_MAX = 2*MB,60*KB,200*KB
TREE_MAX,SAMPLES_MAX = 80*MB,30*MB

PAGES = [str(p.relative_to(ROOT)) for p in page_paths(ROOT)]
each_page = pytest.mark.parametrize('page', PAGES)

# ---- which pages run twice

def git(*args):
    "Lines of git's answer, or None when git can't tell"
    p = subprocess.run(['git', '-C', str(ROOT), *args], capture_output=True, text=True)
    return p.stdout.splitlines() if p.returncode==0 else None

def changed_since_base():
    "Files changed against the merge base and those not committed; None when git can't tell"
    head,dirty = git('rev-parse', 'HEAD'),git('status', '--porcelain', '-uall', '--', 'nbs')
    if not head or dirty is None: return None
    bases = filter(None, (git('merge-base', 'HEAD', b) for b in ('origin/main', 'main', 'origin/master', 'master')))
    base = next((b for b in bases if b!=head), None) or git('rev-parse', '--verify', '-q', 'HEAD~1')
    done = git('diff', '--name-only', base[0], 'HEAD', '--', 'nbs') if base else None
    return None if done is None else {*done, *(l[3:].strip('"') for l in dirty)}

CHANGED = None if os.environ.get('V2V_ALL_TWICE')=='1' else changed_since_base()

def passes(page): return 2 if CHANGED is None or page in CHANGED else 1

# ---- run

@pytest.mark.page
@pytest.mark.timeout(600)
@each_page
def test_page_runs(page):
    n = passes(page)
    nb,seconds = execute(ROOT/page, times=n)
    LEDGER.mkdir(parents=True, exist_ok=True)
    row = dict(page=page, seconds=round(seconds, 2), passes=n)
    (LEDGER/(page.replace('/', '__')+'.json')).write_text(json.dumps(row))
    assert seconds<=LIMIT_S, f'{page} takes {seconds:.0f} s in FAST mode, more than {LIMIT_S}: give its long loop to budget()'

@pytest.mark.page
@each_page
def test_page_is_fresh(page):
    assert not is_stale(ROOT/page, ROOT), f'{page} is stale: .venv/bin/python -m v2v_tutorial.pages run --full {page}'

@pytest.mark.page
@each_page
def test_page_is_fit_to_commit(page):
    faults = lint(ROOT/page)
    assert not faults, f'{page}:\n' + '\n'.join(faults)

# ---- lint: each rule is a generator of faults

def outputs(nb): return [o for c in code_cells(nb) for o in c['outputs']]

def datas(nb):
    "Every (mime, text) in a page's outputs"
    for o in outputs(nb):
        if o['output_type']=='stream': yield 'text/plain', o['text']
        yield from ((k, v if isinstance(v, str) else json.dumps(v)) for k,v in o.get('data', {}).items())

def markup(nb):
    "HTML and markdown that a reader sees, of text cells and of outputs; code between backticks is no markup"
    for c in nb['cells']:
        if c['cell_type']=='markdown': yield re.sub(r'```.*?```|`[^`\n]*`', '', c['source'], flags=re.S)
    yield from (v for k,v in datas(nb) if k in ('text/html', 'text/markdown'))

def embedded(nb):
    "(mime, bytes) of every picture and film inside a page"
    for k,v in datas(nb):
        if k=='image/svg+xml': yield k, len(v)
        elif k.startswith(('image/', 'video/')): yield k, len(base64.b64decode(v))
    for text in markup(nb):
        for m in re.finditer(r'data:((?:image|video)/[\w.+-]+);base64,([A-Za-z0-9+/=\s]+)', text):
            yield m[1], len(base64.b64decode(m[2]))

def errors(nb):
    if any(o['output_type']=='error' for o in outputs(nb)): yield 'an output is an error'

def widgets(nb):
    if 'widgets' in nb['metadata']: yield 'widget state in the metadata'
    if any('widget-view' in k for k,_ in datas(nb)): yield 'a widget in an output: python -m v2v_tutorial.pages run drops it'

def sizes(nb):
    for kind,n in embedded(nb):
        top = FILM_MAX if kind.startswith('video') else PICTURE_MAX
        if n>top: yield f'embedded {kind} of {n/KB:.0f} kB, more than {top//KB}'

def alternative_texts(nb):
    for text in markup(nb):
        for tag in re.findall(r'<img\b[^>]*>', text, flags=re.I):
            if not re.search(r'''\balt\s*=\s*("\s*[^"\s]|'\s*[^'\s])''', tag, flags=re.I): yield f'no alt: {tag[:60]}'
        for m in re.finditer(r'!\[\s*\]\([^)]*\)', text): yield f'no alternative text: {m[0][:60]}'

def exported(nb): return [c['source'] for c in code_cells(nb) if re.search(r'(?m)^#\|\s*export', c['source'])]

def export_rules(nb):
    for s in exported(nb):
        if re.search(r'(?m)^\s*[%!]', s):
            yield f'a magic in an exported cell: {s[:60]!r}'
            continue
        imports = [isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.parse(s).body]
        if any(imports) and not all(imports): yield f'imports and code in one exported cell: {s[:60]!r}'

def no_chdir(nb):
    if any(re.search(r'\bos\.chdir\(|^\s*%cd\b', c['source'], flags=re.M) for c in code_cells(nb)): yield 'changes the folder'

def machine_paths(nb):
    places = re.compile(r'(?<![\w./])/(?:home|root|tmp|Users)/[\w.]+' + '|' + re.escape(str(ROOT)))
    for k,v in datas(nb):
        m = places.search(re.sub(r'base64,[A-Za-z0-9+/=\s]+', '', v)) if k.startswith('text') else None
        if m: yield f'an output names a folder of one machine: {m[0]}'

def full_outputs(nb):
    if nb['metadata'].get('v2v', {}).get('mode')=='fast' and any('budget(' in c['source'] for c in code_cells(nb)):
        yield 'outputs of FAST mode in a page that uses budget(): run it with --full'

RULES = full_outputs, errors, widgets, sizes, alternative_texts, export_rules, no_chdir, machine_paths

def lint(path):
    "Everything wrong with a page, one line each"
    nb,n = read_page(path),Path(path).stat().st_size
    return ([f'{n/MB:.1f} MB, more than {PAGE_MAX//MB}'] if n>PAGE_MAX else []) + [f for rule in RULES for f in rule(nb)]

# ---- sizes of the tree

def tracked():
    "Files that git tracks, or would track"
    return [p for f in git('ls-files', '-co', '--exclude-standard') or [] if (p:=ROOT/f).is_file()]

def total(paths): return sum(p.stat().st_size for p in paths)

def test_tree_is_small():
    files = tracked()
    if not files: pytest.skip('git cannot list the tree')
    assert total(files)<=TREE_MAX
    assert total(p for p in files if p.is_relative_to(ROOT/'data_samples'))<=SAMPLES_MAX

# ---- the checks above can fail

@pytest.fixture
def project(tmp_path):
    "A project with nothing in it"
    (tmp_path/'nbs').mkdir()
    (tmp_path/'settings.ini').write_text((ROOT/'settings.ini').read_text())
    return tmp_path

def output(**data):
    return nbformat.v4.new_output('display_data', data=data)

def spoilt(path, source='x = 1', outputs=(), markdown='# Title', **metadata):
    "A page with one fault put in"
    write_page(path, source)
    nb = read_page(path)
    nb.cells.insert(0, nbformat.v4.new_markdown_cell(markdown))
    nb.cells[1].outputs = list(outputs)
    nb.metadata.update(metadata)
    nbformat.write(nb, path)
    return path

def b64(n): return base64.b64encode(bytes(n)).decode()
def img(n=9, alt='alt="a cat"'): return {'text/html': f'<img {alt} src="data:image/png;base64,{b64(n)}">'}
def film(n): return {'text/html': f'<video src="data:video/mp4;base64,{b64(n)}"></video>'}

GOOD = [dict(), dict(outputs=[output(**img(PICTURE_MAX))]), dict(outputs=[output(**film(FILM_MAX))]),
        dict(markdown='![a cat](cat.png)'), dict(source='#| export\nimport os\nimport sys'), dict(source='%matplotlib inline')]
BAD = dict(
    error=dict(outputs=[nbformat.v4.new_output('error', ename='E', evalue='', traceback=[])]),
    widget_state=dict(widgets={'state': {}}),
    widget=dict(outputs=[output(**{'application/vnd.jupyter.widget-view+json': {'model_id': 'a'}})]),
    picture=dict(outputs=[output(**img(PICTURE_MAX+1))]),
    plot=dict(outputs=[output(**{'image/png': b64(PICTURE_MAX+1)})]),
    film=dict(outputs=[output(**film(FILM_MAX+1))]),
    page=dict(outputs=[output(**{'text/plain': 'x'*PAGE_MAX})]),
    no_alt=dict(outputs=[output(**img(alt=''))]),
    blank_alt=dict(outputs=[output(**img(alt='alt=" "'))]),
    blank_alt_in_text=dict(markdown='![](cat.png)'),
    magic=dict(source='#| export\n%time x = 1'),
    mixed=dict(source='#| export\nimport os\nx = 1'),
    chdir=dict(source='import os\nos.chdir("..")'),
    fast=dict(source='steps = budget(2, 200)', v2v=dict(mode='fast')),
    path=dict(outputs=[output(**{'text/plain': 'UserWarning in /home/kim, x.py'})]),
)

@pytest.mark.parametrize('kw', GOOD)
def test_lint_lets_good_pages_pass(tmp_path, kw): assert lint(spoilt(tmp_path/'p.ipynb', **kw))==[]

@pytest.mark.parametrize('fault', BAD)
def test_lint_finds_each_fault(tmp_path, fault): assert lint(spoilt(tmp_path/'p.ipynb', **BAD[fault]))

def test_page_that_raises_fails(project):
    from nbclient.exceptions import CellExecutionError
    write_page(project/'nbs'/'p.ipynb', '1/0')
    with pytest.raises(CellExecutionError, match='ZeroDivisionError'): execute(project/'nbs'/'p.ipynb')

def test_page_that_runs_only_once_fails_the_second_time(project):
    from nbclient.exceptions import CellExecutionError
    write_page(project/'nbs'/'p.ipynb', "assert 'seen' not in globals()\nseen = True")
    execute(project/'nbs'/'p.ipynb')
    with pytest.raises(CellExecutionError, match='AssertionError'): execute(project/'nbs'/'p.ipynb', times=2)

@pytest.mark.parametrize('reach', [
    'import socket; socket.create_connection(("192.0.2.1", 80), timeout=2)',
    'import urllib.request; urllib.request.urlopen("http://example.org", timeout=2)',
    'import subprocess, sys\nsubprocess.run([sys.executable, "-c", "import socket; socket.create_connection((\'192.0.2.1\', 80), timeout=2)"], check=True)'])
def test_page_can_not_leave_the_machine(project, reach):
    from nbclient.exceptions import CellExecutionError
    write_page(project/'nbs'/'p.ipynb', reach)
    with pytest.raises(CellExecutionError, match='offline|CalledProcessError|refused'): execute(project/'nbs'/'p.ipynb')

def test_page_may_talk_to_itself(project):
    write_page(project/'nbs'/'p.ipynb', 'import socket\ns = socket.create_server(("127.0.0.1", 0))\n'
               'socket.create_connection(s.getsockname(), timeout=2).close()\ns.close()')
    execute(project/'nbs'/'p.ipynb')

def test_page_knows_its_mode(project):
    write_page(project/'nbs'/'p.ipynb', "import os\nos.environ['V2V_FULL']")
    for full,want in ((False, "'0'"), (True, "'1'")):
        assert execute(project/'nbs'/'p.ipynb', full=full)[0].cells[0].outputs[0].data['text/plain']==want

def test_executing_writes_nothing_and_running_does(project):
    page = project/'nbs'/'p.ipynb'
    write_page(page, '1+1')
    before = page.read_text()
    execute(page)
    assert page.read_text()==before and is_stale(page, project)
    run_page(page)
    assert not is_stale(page, project) and read_page(page).cells[0].outputs[0].data['text/plain']=='2'

def test_edit_of_page_or_of_its_module_makes_it_stale(project):
    page,module = project/'nbs'/'p.ipynb',project/'v2v_tutorial'/'room'/'thing.py'
    module.parent.mkdir(parents=True)
    module.write_text('x = 1\n')
    write_page(page, 'from v2v_tutorial.room import thing' + '\nthing.x')
    run_page(page)
    module.write_text('# %% nbs/thing.ipynb #other-id\nx = 1\n')
    assert not is_stale(page, project)
    module.write_text('x = 2\n')
    assert is_stale(page, project)
    run_page(page)
    page.write_text(page.read_text().replace('thing.x', 'thing.x+1'))
    assert is_stale(page, project)

def test_widgets_and_timings_are_not_stored(project):
    page = project/'nbs'/'p.ipynb'
    write_page(page, 'from ipywidgets import IntSlider\nIntSlider()', '1')
    run_page(page)
    nb = read_page(page)
    assert lint(page)==[] and nb.cells[0].outputs==[] and nb.cells[1].execution_count is None
    assert nb.cells[1].metadata=={} and 'widgets' not in nb.metadata

def test_clean_keeps_what_we_store(project):
    from nbdev.clean import nbdev_clean
    from v2v_tutorial.pages import pyproject_text
    page = project/'nbs'/'p.ipynb'
    (project/'pyproject.toml').write_text(pyproject_text(ROOT))
    write_page(page, '1')
    run_page(page)
    nb = read_page(page)
    nb.cells[0].metadata['tags'] = ['remove-input']
    nb.cells[0].outputs[0].metadata['alt'] = 'one'
    nbformat.write(nb, page)
    old = os.getcwd()
    try:
        os.chdir(project)
        nbdev_clean(str(page))
    finally: os.chdir(old)
    nb = read_page(page)
    assert nb.cells[0].metadata['tags'] and nb.cells[0].outputs[0].metadata['alt']=='one' and nb.metadata['v2v']['fresh']
