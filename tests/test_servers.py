"Servers of the browser tests: one of each for a whole run, and none left behind, however the run ends"
import os, shutil, subprocess, sys, time, uuid
import browser, psutil, pytest
from browser import free_port, launch, server_env
from conftest import ROOT
from v2v_tutorial.pages import write_page

def alive(token): # processes that were started by whoever holds the token, and their children
    found = []
    for p in psutil.process_iter():
        try:
            if p.environ().get('V2V_TOKEN')==token and p.status()!=psutil.STATUS_ZOMBIE: found.append(' '.join(p.cmdline())[:120])
        except psutil.Error: pass
    return found

def gone(token, within=20):
    "Wait until none is left"
    until = time.monotonic()+within
    while (left := alive(token)) and time.monotonic()<until: time.sleep(.2)
    return not left, left

@pytest.fixture
def token(monkeypatch):
    monkeypatch.setenv('V2V_TOKEN', t := uuid.uuid4().hex)
    yield t
    monkeypatch.delenv('V2V_TOKEN')

# ---- the guard

STUBBORN = '''import http.server, signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: print('heard', flush=True))
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True)
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
'''

def serve(folder, code=STUBBORN, **kw): # a server that doesn't want to end, with a child in a session of its own, as kernels are
    (folder/'stubborn_server.py').write_text(code)
    port = free_port()
    return launch(folder, [sys.executable, folder/'stubborn_server.py', port], f'http://127.0.0.1:{port}', env={**server_env(folder), **os.environ}, **kw)

@pytest.mark.timeout(120)
def test_closed_server_is_gone_with_its_children(tmp_path, token):
    server = serve(tmp_path)
    assert len(alive(token))==3  # the guard, the server and its child
    server.close()
    assert gone(token)[0] and 'heard' in server.log.read_text()

@pytest.mark.timeout(120)
def test_server_ends_when_its_time_is_up(token):
    guard = subprocess.Popen([sys.executable, '-P', browser.__file__, '3', sys.executable, '-c', 'import time; time.sleep(300)'], stdin=subprocess.PIPE)
    guard.wait(100)
    assert gone(token)[0]
    guard.stdin.close()

@pytest.mark.timeout(120)
@pytest.mark.parametrize('code,start_s,says', [('print("no such port"); raise SystemExit(3)', 90, 'no such port'), ('import time; time.sleep(99)', 2, 'no answer')])
def test_server_that_does_not_come_up_is_an_error(tmp_path, token, code, start_s, says):
    with pytest.raises((RuntimeError, TimeoutError), match=says): serve(tmp_path, code, start_s=start_s)
    assert gone(token)[0]

@pytest.mark.timeout(120)
def test_killed_run_leaves_nothing(tmp_path, token):
    "Not even SIGKILL, after which nobody can tidy up, leaves a server"
    (tmp_path/'run.py').write_text(f'import sys, time\nfrom pathlib import Path\nsys.path.insert(0, {str(ROOT/"tests")!r})\n'
                                   'from test_servers import serve\nserve(Path(sys.argv[1]))\nprint("up", flush=True)\ntime.sleep(300)\n')
    run = subprocess.Popen([sys.executable, tmp_path/'run.py', tmp_path], stdout=subprocess.PIPE, text=True)
    assert run.stdout.readline()=='up\n' and len(alive(token))==4
    run.kill()
    run.wait()
    assert gone(token)[0]

# ---- a whole run

FILES = dict(test_browser='''import http.cookiejar, pytest, urllib.request
pytestmark = pytest.mark.browser
def test_page(chromium, tab, app):
    tab.goto(app.url)
    assert 'standin' not in tab.url
def test_kernel(jupyterlab):
    web = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar := http.cookiejar.CookieJar()))
    web.open(jupyterlab.url+'/lab', timeout=60)
    token, = (c.value for c in jar if c.name=='_xsrf')
    web.open(urllib.request.Request(jupyterlab.url+'/api/kernels', b'{}', {'X-XSRFToken': token}), timeout=60)  # nobody ends this kernel
def test_fails(jupyterlab, app, tab): assert not 'on purpose'
''', test_in_browser_too='''import pytest
pytestmark = pytest.mark.browser
@pytest.fixture
def broken(jupyterlab, chromium): raise RuntimeError('on purpose')
def test_again(chromium, jupyterlab, app, tab): pass
def test_broken(broken): pass
def test_at_last(tab, app): tab.goto(app.url)
''', test_other='''import pytest
@pytest.mark.parametrize('k', range(6))
def test_plain(k, tmp_path): assert not any(tmp_path.iterdir())  # leaves a folder of its worker
''')

def test_shared_server_in_another_file_is_refused(tmp_path):
    (tmp_path/'tests').mkdir()
    shutil.copy(ROOT/'tests'/'conftest.py', tmp_path/'tests')
    (tmp_path/'tests'/'test_other.py').write_text('def test_page(tab): pass')
    p = subprocess.run([sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider'], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert p.returncode==4 and 'test_other.py::test_page shares a server' in p.stderr, p.stdout+p.stderr

@pytest.mark.browser
@pytest.mark.timeout(900)
def test_run_on_two_workers_starts_one_of_each_and_leaves_none(tmp_path, token, chromium_path):
    "Browser tests of two files, one of them failing and one with a broken fixture, beside other tests"
    (tmp_path/'tests').mkdir()
    (tmp_path/'nbs').mkdir()
    write_page(tmp_path/'nbs'/'00_quickstart.ipynb', '# Empty')
    for f in ('tests/conftest.py', 'tests/browser.py', 'pytest.ini', 'Makefile', 'settings.ini', 'pyproject.toml', 'constraints.txt'):
        shutil.copy(ROOT/f, tmp_path/f)
    for name,code in FILES.items(): (tmp_path/'tests'/f'{name}.py').write_text(code)
    env = {k: v for k,v in os.environ.items() if not k.startswith('PYTEST')} | dict(CI='')
    p = subprocess.run([sys.executable, '-m', 'pytest', '-q', '-n', '2', '-p', 'no:cacheprovider', f'--basetemp={tmp_path}/base'], cwd=tmp_path,
                       env=env, capture_output=True, text=True, timeout=800)
    assert '1 failed, 10 passed, 1 error' in p.stdout and p.stdout.count('on purpose')>=2, p.stdout[-3000:]
    starts = [f.parent.name for f in (tmp_path/'base').rglob('server.log')]
    assert sorted(starts)==['app0', 'chromium0', 'jupyterlab0'], starts
    assert len(list((tmp_path/'base').glob('popen-gw*')))==2, 'the other worker did nothing'
    assert gone(token)[0], gone(token)[1]
