"""Apply each mutant to a copy of the package, run the test that must notice, and print what was killed

    python tests/mutants/run.py             all mutants
    python tests/mutants/run.py warp clip   those of warp.toml and clip.toml
    python tests/mutants/run.py warp.sign   one

A mutant is an entry of a *.toml file beside this script:

    [[mutant]]
    name = "sign"                       # unique in its file
    module = "motion/warp.py"           # below v2v_tutorial/
    old = "grid + flow"                 # stands there exactly once
    new = "grid - flow"
    test = "test_warp.py::test_name"    # below tests/, without [parameters] to run all of them; several with spaces
    why = "what makes it a classic mistake"
"""
import json, os, shutil, signal, subprocess, sys, tempfile, time, tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS, ROOT = HERE.parent, HERE.parents[1]

@dataclass(frozen=True)
class Mutant:
    file:str    # the stem of its toml file
    name:str
    module:str  # path below v2v_tutorial/
    old:str     # text to be replaced, found exactly once
    new:str
    test:str    # what must go red
    why:str
    @property
    def id(self): return f'{self.file}.{self.name}'

def mutants(): # every mutant, in the order of files and entries
    return [Mutant(f.stem, **m) for f in sorted(HERE.glob('*.toml')) for m in tomllib.loads(f.read_text(encoding='utf-8'))['mutant']]

class MutantError(Exception):
    "A mutant that can't be judged: its text isn't there, or its test doesn't run"

def spoil(text, m): # the module's text with the mistake in it
    times = text.count(m.old)
    if times!=1: raise MutantError(f'{m.id}: {m.old!r} stands {times} times in {m.module}, not once; bring the mutant up to date')
    if m.old==m.new: raise MutantError(f'{m.id}: old and new are the same')
    return text.replace(m.old, m.new)

SERVER = '''if 1:
    import json, os, signal, sys, tempfile, time
    import av, cv2, IPython.display, nbformat, numpy, pytest, torch, torchmetrics.functional.image, efficientnet_lite_pytorch
    torch.testing.assert_close(torch.zeros(1), torch.zeros(1))  # loads more

    def judge(package, root, tests): # in a child: the package comes from its own folder
        os.chdir(package)
        sys.path.insert(0, package)
        import v2v_tutorial
        assert v2v_tutorial.__file__.startswith(package), f'tests would run on {v2v_tutorial.__file__}'
        return pytest.main(['-x', '-q', '--no-header', '--tb=line', '-p', 'no:cacheprovider', '-p', 'no:xdist', '--assert=plain', '--rootdir', root, *tests])

    def end(child, seconds=120): # its exit code; one that takes longer is killed
        deadline = time.monotonic() + seconds
        while time.monotonic()<deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if done: return os.waitstatus_to_exitcode(status)
            time.sleep(.02)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return -signal.SIGALRM

    for line in sys.stdin:
        with tempfile.TemporaryFile('w+') as said:
            child = os.fork()
            if child==0:
                for to in (1, 2): os.dup2(said.fileno(), to)
                code = 99
                try: code = int(judge(*json.loads(line)))
                finally:
                    for stream in (sys.stdout, sys.stderr): stream.flush()
                    os._exit(code)
            code = end(child)
            said.seek(0)
            print(json.dumps([code, said.read()]), flush=True)
'''

class Judge:
    "A Python that has imported what is slow, but not the package, and forks for every question: half a second instead of three"
    def __init__(self):
        set_by_us = ('PYTEST_', 'PYTHONPATH', 'OPENCV_FFMPEG')  # the last by importing the package: a mutant that doesn't set it would inherit it
        env = {k: v for k,v in os.environ.items() if not k.startswith(set_by_us)}
        env |= {'OMP_NUM_THREADS': '1', 'PYTHONDONTWRITEBYTECODE': '1'}
        self.home = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen([sys.executable, '-c', SERVER], cwd=self.home.name, env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, package, tests): # run tests with the package that lies in this folder; (exit code, output)
        print(json.dumps([str(package), str(ROOT), [str(TESTS/t) for t in tests]]), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def __enter__(self): return self
    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.home.cleanup()

def copy(to): # the package in a folder of its own
    shutil.copytree(ROOT/'v2v_tutorial', Path(to)/'v2v_tutorial', ignore=shutil.ignore_patterns('__pycache__'))
    (Path(to)/'data_samples').symlink_to(ROOT/'data_samples')  # shipped weights lie beside the package
    return Path(to).resolve()

def survives(m, judge): # does its test stay green? (answer, seconds); raises MutantError where that can't be told
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        module = copy(folder)/'v2v_tutorial'/m.module
        module.write_text(spoil(module.read_text(encoding='utf-8'), m), encoding='utf-8')
        compile(module.read_text(encoding='utf-8'), m.module, 'exec')
        for _ in range(2): # a fork of a process with threads hangs once in a thousand times
            code,said = judge(Path(folder).resolve(), m.test.split())
            if code!=-signal.SIGALRM: break
    crashed = code<0 and code!=-signal.SIGALRM
    if code not in (0,1) and not crashed: raise MutantError(f'{m.id}: pytest ended with {code}, which is neither green nor red:\n{said[-800:]}')
    if code==1 and ' failed' not in said: raise MutantError(f'{m.id}: no test failed, it broke before that:\n{said[-800:]}')
    return code==0, time.perf_counter()-began

def main(wanted):
    chosen = [m for m in mutants() if not wanted or m.file in wanted or m.id in wanted]
    with Judge() as judge: fates = [fate(m, judge) for m in chosen]
    print(f'{fates.count("killed")} of {len(fates)} killed')
    return 0 if fates and fates.count('killed')==len(fates) else 1

def fate(m, judge): # one row of the table
    try: (alive,s),says = survives(m, judge),m.why
    except (MutantError, SyntaxError) as error: alive,s,says = None,0,str(error)
    word = {None: 'ERROR', True: 'ALIVE', False: 'killed'}[alive]
    print(f'{word:7} {s:5.1f} s  {m.id:32} {m.test.split("::")[-1]:64} {says}', flush=True)
    return word

if __name__=='__main__': sys.exit(main(sys.argv[1:]))
