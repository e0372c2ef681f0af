"Every page runs, is quick, is fresh, and is fit to be committed"
import ast, base64, io, itertools, json, os, re, subprocess, tempfile
from pathlib import Path
import nbclient, nbformat, pytest, torch
from PIL import Image
from v2v_tutorial.clips.clip import read_video
from v2v_tutorial.drawing import least_difference
from v2v_tutorial import pages
from v2v_tutorial.pages import code_cells, execute, freshness, imported_modules, is_stale, offline_env, page_paths, read_page, run_page, runs_here, write_page
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

def labelled(text): # (tag, words for those who can't see it) of every picture, film and drawing in some markup
    text = re.sub(r'(<[^>]*role="img"[^>]*>)\s*<svg.*?</svg>', r'\1', text, flags=re.S|re.I)  # the words are outside
    for tag in re.findall(r'<(?:img|video|svg|canvas)\b[^>]*>|<[^>]*role="img"[^>]*>', text, flags=re.I):
        words = re.search(r"""\b(?:alt|aria-label)\s*=\s*(?:"([^"]*)"|'([^']*)')""", tag, flags=re.I)
        yield tag, (words[1] or words[2] or '') if words else ''
    for m in re.finditer(r'!\[([^\]]*)\]\([^)]*\)', text): yield m[0], m[1]

def says_little(words): # why these words don't help somebody who can't see the picture; '' when they do
    if len(words.split())<4: return 'fewer than four words'
    if re.search(r'[\w-]+\.(png|jpe?g|webp|svg|gif|mp4|ipynb)\b', words, flags=re.I): return 'the name of a file'
    if re.match(r'\s*(an?\s|the\s)?(figure|fig\.|image|picture|photo|screenshot|graph|chart|plot|animation|video)\b', words, flags=re.I):
        return 'says what kind of thing it is, not what is to be seen'
    return ''

def alternative_texts(nb):
    for text in markup(nb):
        for tag,words in labelled(text):
            if why := says_little(words): yield f'alternative text {words!r}: {why}: {tag[:60]}'
    for o in outputs(nb):
        bare = 'text/html' not in o.get('data', {}) and any(k.startswith('image/') for k in o.get('data', {}))
        if bare and (why := says_little(o['metadata'].get('alt', ''))): yield f'a picture without words: {why}; use show_strip, show_plot or metadata alt'

PLAY_S = 5  # what moves longer than this beside a text needs a way to stop it (WCAG 2.2, criterion 2.2.2)

def plays(data): # seconds for which a picture moves by itself
    with Image.open(io.BytesIO(data)) as p:
        if (n := getattr(p, 'n_frames', 1))==1: return 0
        once = sum((p.seek(i), p.load(), p.info.get('duration', 0))[2] for i in range(n))/1000
        times = p.info.get('loop', 1)
    return once*times if times else float('inf')

def still(nb):
    "Nothing starts by itself, and all that was started can be stopped"
    for text in markup(nb):
        for tag in re.findall(r'<(?:video|audio)\b[^>]*>', text, flags=re.I):
            bare = re.sub(r'"[^"]*"', '', tag)
            if 'controls' not in bare: yield f'a film without controls: {tag[:60]}'
            if 'autoplay' in bare: yield f'a film that starts by itself: {tag[:60]}'
        for data in re.findall(r'data:image/(?:webp|gif);base64,([A-Za-z0-9+/=]+)', text):
            if (s := plays(base64.b64decode(data)))>PLAY_S: yield f'a picture that moves for {s:.0f} s; {PLAY_S} at most'

APART = 15  # Lab distance of two colours that mean different things, to the eyes that see them worst

def curves(svg): # (colour, dashes) of each curve and bar of a matplotlib drawing
    for style in re.findall(r'<path [^>]*clip-path=[^>]*style="([^"]*)"', svg, flags=re.S):
        line = re.search(r'stroke: (#\w{6})', style) if 'fill: none' in style else re.search(r'fill: (#\w{6})', style)
        if line: yield line[1], (re.search(r'stroke-dasharray: ([^;]*)', style) or ['',''])[1]

def colours_apart(nb):
    "Curves of one plot differ in dashes, or in colour for everybody"
    for svg in re.findall(r'<svg.*?</svg>', ' '.join(markup(nb)), flags=re.S):
        for (a,x),(b,y) in itertools.combinations(sorted(set(curves(svg))), 2):
            rgb = torch.tensor([[int(c[i:i+2], 16) for i in (1,3,5)] for c in (a,b)])/127.5 - 1
            if x==y and a!=b and least_difference(rgb)<APART: yield f'{a} and {b} look alike to some readers: new_plot of drawing has safe colours'

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

RULES = full_outputs, errors, widgets, sizes, alternative_texts, still, colours_apart, export_rules, no_chdir, machine_paths

def lint(path):
    "Everything wrong with a page, one line each"
    nb,n = read_page(path),Path(path).stat().st_size
    return ([f'{n/MB:.1f} MB, more than {PAGE_MAX//MB}'] if n>PAGE_MAX else []) + [f for rule in RULES for f in rule(nb)]

# ---- what can be seen is shown

def shown(nb):
    "Every picture, drawing and film of a page's outputs"
    for kind,text in datas(nb):
        if kind.startswith(('image/', 'video/')): yield kind
        if kind in ('text/html', 'text/markdown'): yield from (tag for tag,_ in labelled(text))

@pytest.mark.page
@pytest.mark.parametrize('page', [p for p in PAGES if re.match(r'nbs/\d\d', p)])
def test_page_of_a_chapter_shows_something(page):
    assert any(shown(read_page(ROOT/page))), f'{page}: no picture in its outputs'

@pytest.mark.page
def test_page_without_outputs_shows_nothing():
    nb = read_page(ROOT/'nbs/00_quickstart.ipynb')
    for c in code_cells(nb): c['outputs'] = []
    assert not any(shown(nb))

# ---- nothing flashes: at most three flashes a second, as WCAG 2.2 counts them (criterion 2.3.1)

def luminance(frames): # (T,3,H,W) in [-1,1] -> (T,H,W) relative luminance
    c = (frames+1)/2
    light = torch.where(c<=.04045, c/12.92, ((c+.055)/1.055)**2.4)
    return (light*light.new_tensor([.2126,.7152,.0722]).view(3,1,1)).sum(1)

def turns(light): # for each moment the share of the picture whose light swings back by a tenth or more
    low,high,way = light[0],light[0],torch.zeros_like(light[0])
    for x in light:
        up,down = (x-low>=.1)&(low<.8)&(way<=0),(high-x>=.1)&(x<.8)&(way>=0)
        way = torch.where(up, 1., torch.where(down, -1., way))
        low,high = (torch.where(up|down, x, f(e, x)) for f,e in ((torch.minimum,low), (torch.maximum,high)))
        yield float((up|down).float().mean())

def flashes(frames, fps): # most flashes in any second: two swings of a quarter of the picture at once are one flash
    many = torch.tensor([t>=.25 for t in turns(luminance(frames))]).float()
    return float(many.unfold(0, min(len(many), round(fps)), 1).sum(1).max())/2

def moving(page): # (frames, fps) of every film inside a page
    for text in markup(read_page(page)):
        for data in re.findall(r'data:video/mp4;base64,([A-Za-z0-9+/=]+)', text):
            with tempfile.NamedTemporaryFile(suffix='.mp4') as f:
                Path(f.name).write_bytes(base64.b64decode(data))
                clip = read_video(f.name)
            yield clip.frames, clip.fps

@pytest.mark.page
@each_page
def test_films_do_not_flash(page):
    for frames,fps in moving(ROOT/page): assert flashes(frames, fps)<=3, f'{page}: a film flashes {flashes(frames, fps):.1f} times a second'

@pytest.mark.parametrize('hz,fails', [(2,False), (3,False), (5,True), (12,True)])
def test_flashing_is_noticed(hz, fails):
    light = (torch.arange(50)/25*hz*2).floor()%2
    assert (flashes((light*.8-.4).view(50,1,1,1).expand(50,3,8,8), 25)>3)==fails
    dim,small = light*.06-.9,torch.zeros(50,3,8,8)
    small[:,:,:3,:3] = (light*.8-.4).view(50,1,1,1)
    assert flashes(dim.view(50,1,1,1).expand(50,3,8,8), 25)==0==flashes(small, 25)

@pytest.mark.parametrize('path', sorted(p.name for p in (ROOT/'nbs'/'media').glob('*.*')))
def test_moving_pictures_come_to_rest(path):
    assert (s := plays((ROOT/'nbs'/'media'/path).read_bytes()))<=PLAY_S, f'{path} moves for {s} s: python -m v2v_tutorial.pages media'

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
def img(n=9, alt='alt="A cat sleeps there"'): return {'text/html': f'<img {alt} src="data:image/png;base64,{b64(n)}">'}
LABEL = 'aria-label="A cat walks by"'
def film(n, how=f'controls loop muted {LABEL}'): return {'text/html': f'<video {how} src="data:video/mp4;base64,{b64(n)}"></video>'}

def moving_picture(times, n=10): # ten frames, a second
    frames = [Image.new('RGB', (8,8), (25*i,0,0)) for i in range(n)]
    frames[0].save(f := io.BytesIO(), 'webp', save_all=True, append_images=frames[1:], duration=100, loop=times)
    return {'text/html': f'<img alt="Red grows in steps" src="data:image/webp;base64,{base64.b64encode(f.getvalue()).decode()}">'}

def drawn(*styles, label=LABEL): # a drawing as matplotlib writes it
    paths = ''.join(f'<path d="M 0 0" clip-path="url(#p)" style="fill: none; {s}; stroke-width: 1.5"/>' for s in styles)
    return {'text/html': f'<div role="img" {label}><svg>{paths}</svg></div>'}

GOOD = [dict(), dict(outputs=[output(**img(PICTURE_MAX))]), dict(outputs=[output(**film(FILM_MAX))]),
        dict(markdown='![A cat sleeps there](cat.png)'), dict(outputs=[output(**moving_picture(5))]), dict(outputs=[output(**moving_picture(0, 1))]),
        dict(outputs=[output(**drawn('stroke: #0072B2', 'stroke: #d55e00'))]),
        dict(outputs=[output(**drawn('stroke: #2ca02c', 'stroke-dasharray: 5,2; stroke-dashoffset: 0; stroke: #d62728'))]), dict(source='#| export\nimport os\nimport sys'), dict(source='%matplotlib inline')]
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
    short_alt=dict(outputs=[output(**img(alt='alt="A small cat"'))]),
    file_alt=dict(outputs=[output(**img(alt='alt="this is our cat.png"'))]),
    kind_alt=dict(outputs=[output(**img(alt='alt="Figure of a cat asleep"'))]),
    kind_alt_in_text=dict(markdown='![The plot of all results](cat.png)'),
    plot_without_words=dict(outputs=[output(**{'image/png': b64(9)})]),
    film_without_words=dict(outputs=[output(**film(9, 'controls'))]),
    drawing_without_words=dict(outputs=[output(**drawn('stroke: #000000', label=''))]),
    film_without_controls=dict(outputs=[output(**film(9, f'muted {LABEL}'))]),
    film_that_starts=dict(outputs=[output(**film(9, f'controls muted autoplay {LABEL}'))]),
    endless=dict(outputs=[output(**moving_picture(0))]),
    six_seconds=dict(outputs=[output(**moving_picture(6))]),
    red_and_green=dict(outputs=[output(**drawn('stroke: #2ca02c', 'stroke: #d62728'))]),
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

@pytest.mark.parametrize('end', ['pass', '1/0'])
def test_a_kernel_ends_with_its_page(project, tmp_path, end):
    "Else every page of a test run keeps its memory until all have run"
    write_page(project/'nbs'/'p.ipynb', f"import os\nopen({str(tmp_path/'pid')!r}, 'w').write(str(os.getpid()))", end)
    try: execute(project/'nbs'/'p.ipynb')
    except nbclient.exceptions.CellExecutionError: assert end!='pass'
    with pytest.raises(ProcessLookupError): os.kill(int((tmp_path/'pid').read_text()), 0)

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

def test_prose_and_blanks_make_no_page_stale_and_every_kind_of_import_counts(project):
    folder = project/'v2v_tutorial'/'room'
    folder.mkdir(parents=True)
    for name in ('thing','other'): (folder/f'{name}.py').write_text('x = 1\n')
    def hashed(*cells):
        write_page(project/'nbs'/'p.ipynb', *cells)
        return freshness(read_page(project/'nbs'/'p.ipynb'), project)
    assert hashed('# Title', 'a = 1  \nb = 2\n')==hashed('# Another title\n\nand words', 'a = 1\nb = 2')!=hashed('a = 1\nb = 3')
    for code in ('import v2v_tutorial.room.thing', 'import v2v_tutorial.room.thing as t', 'from v2v_tutorial.room import thing as t', 'from v2v_tutorial.room.thing import x',
                 'def later():\n    from v2v_tutorial.room.thing import *', '!ls\nimport v2v_tutorial.room.thing'):
        write_page(project/'nbs'/'p.ipynb', code)
        assert imported_modules(read_page(project/'nbs'/'p.ipynb'), project)==[folder/'thing.py'], code

def test_folders_that_are_hidden_hold_no_pages(project):
    for place in ('.ipynb_checkpoints', '_made', '01_a', '01_a/_old'):
        (project/'nbs'/place).mkdir()
        write_page(project/'nbs'/place/'p.ipynb', '1')
    write_page(project/'nbs'/'_draft.ipynb', '1')
    assert page_paths(project)==[project/'nbs'/'01_a'/'p.ipynb']

@pytest.mark.parametrize('source,gpu,runs', [('1', False, True), ('#| eval: false\n1', False, False), ('#|eval:false\n1', True, False), ('#| eval: true\n1', False, True),
                                             ('#| gpu\n1', False, False), ('#| gpu\n1', True, True), ('x = "#| gpu"', False, True)])
def test_a_cell_that_is_switched_off_or_lacks_its_gpu_is_left_out(source, gpu, runs, monkeypatch):
    monkeypatch.setattr(pages, '_has_gpu', lambda: gpu)
    assert runs_here(nbformat.v4.new_code_cell(source)) is runs and not runs_here(nbformat.v4.new_markdown_cell(source))

def test_a_page_has_one_thread_and_the_package_of_its_project(tmp_path, project, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '8')
    env = offline_env(tmp_path, project)
    assert {env[f'{k}_NUM_THREADS'] for k in ('OMP','MKL','OPENBLAS','NUMEXPR')}=={'1'}==({env['OPENCV_FOR_THREADS_NUM']}) and env['PYTHONPATH'].split(os.pathsep)[:2]==[str(tmp_path), str(project)]

def test_commands_list_and_run_what_is_stale_and_nothing_else(project, monkeypatch, capsys):
    for name in ('a','b'): write_page(project/'nbs'/f'{name}.ipynb', "import os\nos.environ['V2V_FULL']")
    monkeypatch.chdir(project/'nbs')
    def command(*words): # exit code, what it printed
        with pytest.raises(SystemExit) as end: pages.app(list(words))
        return end.value.code, capsys.readouterr().out
    run_page(project/'nbs'/'a.ipynb')
    before = (project/'nbs'/'a.ipynb').read_text()
    assert command('stale')==(1, 'nbs/b.ipynb\n')
    code, said = command('run', '--full')
    assert code==0 and said.endswith(' s  nbs/b.ipynb\n') and said.count('\n')==1 and (project/'nbs'/'a.ipynb').read_text()==before
    assert command('stale')==(0, 'every page is fresh\n')
    for name,mode,shown in (('a','fast',"'0'"), ('b','full',"'1'")):
        nb = read_page(project/'nbs'/f'{name}.ipynb')
        assert nb.metadata.v2v.mode==mode and nb.cells[0].outputs[0].data['text/plain']==shown and nb.metadata.kernelspec.name=='python3'

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
