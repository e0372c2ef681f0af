"""Servers and a browser that one test run starts once and that never outlive it, and a reader who drives a demo in them

Each server runs under a guard (this file as a script), which ends it, its kernels and itself when the test run closes the guard's
input, and also when the test run is killed, since that closes it too, and when time is up.
"""
import base64, contextlib, json, os, select, shutil, signal, socket, subprocess, sys, time, urllib.error, urllib.request
from dataclasses import dataclass
from pathlib import Path
import numpy as np, psutil

ROOT = Path(__file__).resolve().parents[1]
LIFE_S,START_S,WAIT_MS,PAGE_MS = 1800,240,30_000,180_000  # a server's life and start, an event, a whole page

# ---- the guard

def end(server):
    "Ask a server to end, which lets it end its kernels; kill what is still there five seconds later"
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*server.children(recursive=True), server]
        with contextlib.suppress(ProcessLookupError): os.killpg(server.pid, signal.SIGTERM)
        for p in psutil.wait_procs(family, timeout=5)[1]:
            with contextlib.suppress(psutil.NoSuchProcess): p.kill()

def guard(seconds, argv):
    "Run a server until our input is closed, or `seconds` have passed, or it ends"
    until,server = time.monotonic()+seconds,psutil.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        while server.poll() is None and time.monotonic()<until and not select.select([sys.stdin], [], [], .2)[0]: pass
    finally: end(server)

# ---- starting and stopping

@dataclass
class Server:
    url:str              # without a slash at its end
    folder:Path          # what it serves
    process:subprocess.Popen # the guard
    log:Path

    def close(self):
        self.process.stdin.close()
        try: self.process.wait(30)
        except subprocess.TimeoutExpired: end(psutil.Process(self.process.pid))  # a guard that gets no processor time

def free_port():
    with socket.create_server(('127.0.0.1', 0)) as s: return s.getsockname()[1]

def answers(url):
    with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5).status==200
    return False

def launch(folder, argv, url, ready='/', env=None, life_s=LIFE_S, start_s=START_S):
    "Start a server under a guard and wait until it answers; an error shows the end of what it said"
    log = Path(folder)/'server.log'
    with open(log, 'w') as out:
        guard = subprocess.Popen([sys.executable, '-P', __file__, str(life_s), *map(str, argv)], cwd=folder, env=env or server_env(folder),
                                 stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    server,until = Server(url, Path(folder), guard, log),time.monotonic()+start_s
    try:
        while not answers(url+ready):
            if guard.poll() is not None: raise RuntimeError(f'{argv[0]} ended at once:\n{log.read_text()[-2000:]}')
            if time.monotonic()>until: raise TimeoutError(f'{argv[0]} gave no answer in {start_s} s:\n{log.read_text()[-2000:]}')
            time.sleep(.1)
    except BaseException:
        server.close()
        raise
    return server

def server_env(folder):
    "An environment in which neither settings nor files of this machine's user are read or written"
    env = {k: v for k,v in os.environ.items() if not k.startswith(('JUPYTER', 'PYTEST', 'VOILA'))}
    env |= {f'JUPYTER_{k}_DIR': str(Path(folder)/'jupyter'/k.lower()) for k in ('CONFIG', 'DATA', 'RUNTIME')}
    env |= {f'JUPYTERLAB_{k}_DIR': str(Path(folder)/'jupyter'/k.lower()) for k in ('SETTINGS', 'WORKSPACES')}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
    return env | dict(IPYTHONDIR=str(Path(folder)/'ipython'), PYTHONPATH=path, JUPYTER_PLATFORM_DIRS='1', PYTHONDONTWRITEBYTECODE='1')

BLOCK = '''import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('ipywidgets', 'anywidget'): raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Refuse())
'''

def add_kernel_without_widgets(env):
    "A kernel called no_widgets, to which ipywidgets and anywidget are not installed"
    spec = Path(env['JUPYTER_DATA_DIR'])/'kernels'/'no_widgets'
    (spec/'path').mkdir(parents=True)
    (spec/'path'/'sitecustomize.py').write_text(BLOCK)
    argv = [sys.executable, '-m', 'ipykernel_launcher', '-f', '{connection_file}']
    path = os.pathsep.join([str(spec/'path'), env['PYTHONPATH']])
    (spec/'kernel.json').write_text(json.dumps(dict(argv=argv, display_name='no widgets', language='python', env=dict(PYTHONPATH=path))))

def quiet(env):
    "JupyterLab asks no questions that cover the page"
    path = Path(env['JUPYTERLAB_SETTINGS_DIR'])/'@jupyterlab'/'apputils-extension'/'notification.jupyterlab-settings'
    path.parent.mkdir(parents=True)
    path.write_text('{"fetchNews": "false", "checkForUpdates": false}')

def start_jupyterlab(folder):
    "JupyterLab on a copy of the pages, so that saving one changes nothing"
    shutil.copytree(ROOT/'nbs', folder/'nbs', ignore=shutil.ignore_patterns('.*', '_*', 'solutions'))
    port,env = free_port(),server_env(folder)
    add_kernel_without_widgets(env)
    quiet(env)
    argv = [sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--ip=127.0.0.1', f'--port={port}', '--ServerApp.port_retries=0',
            f'--ServerApp.root_dir={folder}', '--IdentityProvider.token=', '--LabApp.expose_app_in_browser=True']
    return launch(folder, argv, f'http://127.0.0.1:{port}', '/api/status', env)

def start_app(folder):
    "The demos, served by the very command of `make app`"
    port,bin = free_port(),Path(sys.executable).parent
    argv = ['make', '-C', ROOT, '-o', '.venv/.stamp', 'app', f'BIN={bin}', f'PORT={port}', f'APP={folder}/pages', 'APP_ARGS=--no-browser']
    return launch(folder, argv, f'http://127.0.0.1:{port}')

ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
        '--disable-sync', '--autoplay-policy=no-user-gesture-required', '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
        '--disable-backgrounding-occluded-windows', '--force-color-profile=srgb', '--disable-dev-shm-usage',
        '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1']  # it knows no other machine

def start_chromium(folder, path):
    port = free_port()
    return launch(folder, [path, '--headless=new', f'--remote-debugging-port={port}', f'--user-data-dir={folder}/profile', *ARGS, 'about:blank'],
                  f'http://127.0.0.1:{port}', '/json/version')

# ---- pages

def open_page(chromium, driver, **kw):
    "A tab in a context of its own, which notes every error of its scripts"
    tab = driver.chromium.connect_over_cdp(chromium.url).new_context(**kw).new_page()
    tab.set_default_timeout(WAIT_MS)
    tab.faults = []
    tab.on('pageerror', lambda e: tab.faults.append(str(e)))
    return tab

IDLE = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status=='idle'"
SAVED = '() => window.jupyterapp.shell.currentWidget.context.model.toJSON().cells'

def use_kernel(path, kernel): # a notebook names its own, and that one comes first
    nb = json.loads(path.read_text(encoding='utf-8'))
    nb['metadata']['kernelspec'] = dict(name=kernel, display_name=kernel, language='python')
    path.write_text(json.dumps(nb), encoding='utf-8')

class Lab:
    "JupyterLab in one tab; notebooks are opened and closed in it"
    def __init__(self, server, tab):
        self.server,self.tab = server,tab
        tab.goto(f'{server.url}/lab?reset', timeout=PAGE_MS)
        tab.wait_for_function('() => window.jupyterapp', timeout=PAGE_MS)
        tab.evaluate('async () => { await window.jupyterapp.restored }')

    def run(self, path, kernel='python3'):
        "Open a notebook and run all of it; its panel"
        use_kernel(self.server.folder/path, kernel)
        options = dict(path=str(path), factory='Notebook', kernel=dict(name=kernel))
        self.tab.evaluate("async o => { await window.jupyterapp.commands.execute('docmanager:open', o) }", options)
        self.tab.wait_for_function(IDLE, timeout=PAGE_MS)
        self.tab.evaluate("async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        return self.tab.locator('.jp-NotebookPanel').last

    def execute(self, code):
        "Run code in the notebook's kernel, as another cell would"
        self.tab.evaluate('c => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code: c}).done.then(() => null)', code)

    def errors(self):
        "What the cells raised, as the notebook would be saved"
        outputs = [o for c in self.tab.evaluate(SAVED) for o in c.get('outputs', [])]
        return [f"{o['ename']}: {o['evalue']}" for o in outputs if o['output_type']=='error']

    def close(self):
        "End the kernel and drop the notebook unsaved"
        self.tab.evaluate('async () => { const w = window.jupyterapp.shell.currentWidget; await w.sessionContext.shutdown(); w.dispose() }')

# ---- a reader who drives a demo

WATCH = '''() => {
  const seen = window.v2vSeen = {frames: 0, blank: 0}
  const look = () => {
    const c = document.querySelector('canvas.v2v-canvas')
    const p = c && c.width && c.height ? c.getContext('2d').getImageData(0, 0, c.width, c.height).data : []
    let low = 255, high = 0, clear = p.length==0
    for (let i = 0; i < p.length; i += 4) { low = Math.min(low, p[i], p[i+1], p[i+2]); high = Math.max(high, p[i], p[i+1], p[i+2]); clear ||= p[i+3] < 255 }
    seen.frames++; seen.blank += clear || high-low < 8
    if (window.v2vSeen===seen) requestAnimationFrame(look)
  }
  look()
}'''
SHOT = '''() => {
  const c = document.querySelector('canvas.v2v-canvas'), p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data
  let text = ''
  for (let i = 0; i < p.length; i += 8192) text += String.fromCharCode(...p.subarray(i, i+8192))
  return {state: c.dataset.state, drawn: +c.dataset.drawn, h: c.height, w: c.width, rgba: btoa(text)}
}'''

class Demo:
    "The demo in a tab; what goes wrong while it's driven is an AssertionError that says it"
    def __init__(self, tab, within=None):
        self.tab,scope = tab,within or tab.locator('body')
        self.canvas,self.error = scope.locator('canvas.v2v-canvas'),scope.locator('.v2v-error')
        self.canvas.wait_for(timeout=PAGE_MS)
        tab.wait_for_function('() => +document.querySelector("canvas.v2v-canvas").dataset.drawn > 0', timeout=PAGE_MS)
        self.canvas.scroll_into_view_if_needed()

    def shot(self): # state, frames drawn, picture (H,W,3) uint8
        got = self.tab.evaluate(SHOT)
        rgba = np.frombuffer(base64.b64decode(got['rgba']), np.uint8).reshape(got['h'], got['w'], 4)
        return json.loads(got['state']), got['drawn'], rgba[...,:3]

    def settled(self):
        "The shot that stays the same for a quarter of a second while no answer is awaited"
        shot,until = self.shot(),time.monotonic()+WAIT_MS/1000
        while time.monotonic()<until:
            self.tab.wait_for_timeout(250)
            busy = self.canvas.get_attribute('aria-busy')=='true'
            last,shot = shot,self.shot()
            if last[1]==shot[1] and not busy: return shot
        raise AssertionError('the demo never comes to rest')

    def complaint(self): # what the demo's panel says to its reader
        return self.error.inner_text().strip() if self.error.count() and self.error.is_visible() else ''

    def listen(self):
        "Nobody complains"
        assert not self.complaint(), f'the demo shows an error: {self.complaint()}'
        assert not self.tab.faults, f'errors in the page: {self.tab.faults}'

    def check(self, frame):
        "What is shown is what `frame` says of the state, and nobody complains"
        self.listen()
        state,_,picture = self.settled()
        want = np.asarray(frame(state), np.float32)
        assert want.shape==picture.shape, f'{picture.shape} is shown, not {want.shape}'
        off = abs(picture-want).mean()
        assert off<3, f'the picture for {state} is off by {off:.1f} of 255 levels'
        return state

    @contextlib.contextmanager
    def watched(self, moves):
        "Moves inside must change the state and draw, and the screen is never blank"
        (before,drawn,_),_ = self.settled(),self.tab.evaluate(WATCH)
        yield
        (after,now,_),seen = self.settled(),self.tab.evaluate('() => { const s = window.v2vSeen; window.v2vSeen = null; return s }')
        self.listen()
        assert not seen['blank'], f"{seen['blank']} of {seen['frames']} screens in {moves} moves are blank"
        assert after!=before and now>drawn, f'{moves} moves change nothing: {after}, {now-drawn} frames drawn'

    def point(self, path):
        "Press at the first place of a path, drag along it, let go; places are fractions of width and height"
        box,mouse = self.canvas.bounding_box(),self.tab.mouse
        to = lambda x, y: mouse.move(box['x']+x*box['width'], box['y']+y*box['height'])
        with self.watched(len(path)):
            to(*path[0])
            mouse.down()
            for x,y in path[1:]:
                to(x, y)
                self.tab.wait_for_timeout(20)
            mouse.up()

    def focus(self):
        "Come to the canvas by the keyboard alone"
        for _ in range(60):
            if self.canvas.evaluate('c => c===document.activeElement'): return
            self.tab.keyboard.press('Tab')
        raise AssertionError('60 times Tab never reach the canvas')

    def press(self, keys):
        self.focus()
        with self.watched(len(keys)):
            for key in keys:
                self.tab.keyboard.press(key)
                self.tab.wait_for_timeout(20)

def circle(n): # places on a circle, as fractions
    a = np.linspace(0, 2*np.pi, n)
    return list(zip((.5+.3*np.cos(a)).tolist(), (.5+.3*np.sin(a)).tolist()))

def drive(demo, frame):
    "All that a reader does: look, press 50 keys without ever touching the mouse, drag over 50 places; returns the states in between"
    states = [demo.check(frame)]
    demo.press((['ArrowRight']*8+['ArrowDown']*5+['ArrowLeft']*7+['ArrowUp']*5)*2)
    states.append(demo.check(frame))
    demo.point(circle(50))
    return [*states, demo.check(frame)]

if __name__=='__main__': guard(float(sys.argv[1]), sys.argv[2:])
