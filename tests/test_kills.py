"Processes killed at any moment lose unsaved steps and nothing else (tests/kills.py); and the script would notice if they did"
import os, subprocess, sys
import kills, pytest
from conftest import ROOT

def run(*words, planted=''): # the script in a process of its own, after some planted code -> exit code and table
    code = f'import sys; sys.path.insert(0, "tests"); import kills\n{planted}\nsys.exit(kills.main({list(words)!r}))'
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'OPENCV_FOR_THREADS_NUM': '1',
           'PYTHONPATH': os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])}
    p = subprocess.run([sys.executable, '-c', code], cwd=ROOT, env=env, capture_output=True, text=True)
    assert p.returncode in (0,1) and 'all ' in p.stdout, p.stdout + p.stderr
    return p.returncode, p.stdout

def rows(table): return {line.split()[0]: line.split()[1:] for line in table.splitlines()[1:len(kills.KINDS)+2]}

def test_ten_kills_lose_nothing():
    code, table = run('--kills', '10')
    found = rows(table)
    assert code==0 and list(found)==[*kills.KINDS, 'all'], table
    assert int(found['all'][0])==10 and found['all'][2]=='0' and all(int(found[k][0])>=1 for k in kills.KINDS), table

@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills_lose_nothing():
    code, table = run('--kills', '200')
    assert code==0 and int(rows(table)['all'][0])==200 and int(rows(table)['all'][1])>=20, table

# ---- a loss that is planted is seen

PLANTED = dict(
    film='''
import os, time
from pathlib import Path
move = os.replace
def copied(a, b):
    if Path(a).is_dir(): return move(a, b)
    data = Path(a).read_bytes()
    with open(b, 'wb') as f:
        for half in (data[:len(data)//2], data[len(data)//2:]):
            f.write(half)
            f.flush()
            time.sleep(.5)
os.replace = copied
''', prepare='''
import os, time
from contextlib import contextmanager
from v2v_tutorial import pipeline
@contextmanager
def one_by_one(out):
    part = out.with_name(f'.{out.name}.part')
    part.mkdir(parents=True, exist_ok=True)
    yield part
    out.mkdir(exist_ok=True)
    for path in sorted(part.iterdir()):
        os.replace(path, out/path.name)
        time.sleep(.1)
    part.rmdir()
pipeline.staged = one_by_one
''', checkpoint='''
import json, time
from pathlib import Path
from v2v_tutorial import engine
from v2v_tutorial.engine import save_file
def in_place(folder, step, tensors, notes, keep=2, sound=None):
    final = Path(folder)/'checkpoints'/f'step-{step:06d}'
    final.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().clone().contiguous() for k,v in tensors.items()}, final/'state.safetensors')
    time.sleep(.3)
    notes = dict(notes, step=step)
    notes['sha256'] = engine._seal(final/'state.safetensors', notes)
    (final/'state.json').write_text(json.dumps(notes))
engine.save_checkpoint = in_place
''', training='''
from v2v_tutorial import engine
whole = engine.Run.tensors
engine.Run.tensors = lambda self: {k: v for k,v in whole(self).items() if not k.startswith('optimiser.critics')}
''')

@pytest.mark.parametrize('kind', PLANTED)
def test_a_planted_loss_is_noticed(kind):
    "A film that is copied to its name, a clip in single files, a checkpoint written in place, a run that forgets Adam's memory"
    code, table = run('--kills', '16' if kind=='film' else '8', '--kinds', kind, planted=PLANTED[kind])
    assert code==1 and f'{kind} lost: ' in table, table

def test_kills_are_shared_out_to_the_last():
    for n in (10, 57, 200): assert sum(kills.shares(n, tuple(kills.KINDS)).values())==n
    assert kills.shares(200, ('film',))=={'film': 200}
