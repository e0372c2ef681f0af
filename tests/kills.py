"""Kill processes (SIGKILL) while they train, save and write, and see whether anything is lost but unsaved steps

    python tests/kills.py --kills 200 --seed 0      all kinds; prints a table, ends with 1 where something was lost
    python tests/kills.py --kills 20 --kinds film   one kind

Half of the kills come at a random moment; the others wait until something half-written is seen on the disk and strike then,
since that is where it hurts. Each process is forked from this one, which has imported all that is slow. It works on a slow disk:
each renaming takes some milliseconds before and after.
"""
import os

for _k in ('OMP', 'MKL', 'OPENBLAS', 'NUMEXPR'): os.environ.setdefault(f'{_k}_NUM_THREADS', '1')

import argparse, itertools, random, shutil, signal, sys, tempfile, time, traceback
from dataclasses import dataclass, field
from pathlib import Path
import cv2, torch
from v2v_tutorial import engine, metrics, pipeline
from v2v_tutorial.clips.clip import InputError, write_film
from v2v_tutorial.clips.world import World
from v2v_tutorial.engine import TrainConfig

STEPS, SAVE_EVERY = 12, 2
SMALL = dict(width=16, critic_width=4, perceptual=0., streams=1)

# ---- processes

def child(work, *args)->int: # the id of a process that does the work; its end is code 0, or 1 with a traceback on its error stream
    pid = os.fork()
    if pid: return pid
    code = 1
    try:
        torch.set_num_threads(1), cv2.setNumThreads(1)
        work(*args)
        code = 0
    except BaseException: traceback.print_exc()
    finally: os._exit(code)

def slow_disk(dice, most=.004): # a renaming takes time, so that a kill can come between two of them
    move = os.replace
    def replace(a, b):
        time.sleep(dice.uniform(0, most))
        move(a, b)
        time.sleep(dice.uniform(0, most))
    os.replace = replace

def finish(work, *args): # do it in a process that nobody kills -> seconds
    began, pid = time.perf_counter(), child(work, *args)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]): raise RuntimeError(f'{work.__name__}{args} failed without a kill')
    return time.perf_counter() - began

def strike(pid, home, span, dice, aim, due=lambda: True): # kill it within `span` seconds after `due`
    # -> (was it still alive, did it leave something half-written)
    aimed, moment, end = aim and dice.random()<.5, dice.uniform(0, span), None
    while end is None or time.perf_counter()<end:
        if os.waitpid(pid, os.WNOHANG)[0]: return False, False
        if end is None and due(): end = time.perf_counter() + (span if aimed else moment)
        if end and aimed and half_written(home):
            time.sleep(dice.choice([0, .003, .03])*dice.random())
            break
        time.sleep(.0005)
    os.kill(pid, signal.SIGKILL)
    alive = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])==-signal.SIGKILL
    return alive, alive and half_written(home)

def hidden(home): return [str(p.relative_to(home)) for p in home.rglob('.*')] # only what is half-written has a hidden name

def half_written(home):
    try: return bool(hidden(home))
    except OSError: return False # a folder went while it was listed

# ---- what is made, in two versions that replace each other; each is the same to the byte whenever it's made

def clip(k): return World(seed=k, size=(32,32)).clip(24)

def make_film(place, k, out): write_film(out/'film.mp4', clip(k).frames, quality=10)
def make_clip(place, k, out): pipeline.prepare(out, video=place/f'{k}.mp4')

def make_results(place, k, out):
    pipeline.evaluate = lambda fake, real: dict(psnr=metrics.psnr(fake, real.frames)) # the other measures take seconds
    pipeline.synthesize(place/f'run{k}', out)
    pipeline.compare(place/f'run{k}', out)

def train(place, k, out, steps=STEPS):
    found = pipeline.load_clip(place/f'clip{k}')
    pipeline.train_clip(*found, out, TrainConfig(steps=steps, save_every=SAVE_EVERY, device='cpu'), progress=False, **SMALL)

def set_the_scene(place): # what the makers need
    for k in (0,1):
        write_film(place/f'{k}.mp4', clip(k).frames)
        pipeline.prepare(place/f'clip{k}', video=place/f'{k}.mp4')
        train(place, k, place/f'run{k}', steps=1)

def over_and_over(make, place, out, seed): # the two versions in turn, until the end
    slow_disk(random.Random(seed))
    for n in itertools.count(1): make(place, n%2, out)

def slowly(make, place, k, out, seed):
    slow_disk(random.Random(seed))
    make(place, k, out)

# ---- kinds of kills, and what counts as a loss

@dataclass
class Tally:
    "What happened to one kind"
    name:str
    kills:int = 0     # processes that really died of it
    halves:int = 0    # and left something half-written behind
    lost:list = field(default_factory=list)
    seconds:float = 0.

def content(folder): return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}
def seen(folder): return {k: v for k,v in content(folder).items() if not any(part.startswith('.') for part in Path(k).parts)}

def files_lost(now, versions, together): # each file has to be that of one version, and where they belong together of the same
    faults = [f'{name} is neither the old nor the new one' for name in versions[0] if now.get(name) not in [v[name] for v in versions]]
    faults += [f'{name} is nothing that was asked for' for name in now if name not in versions[0]]
    if not faults and together and now not in versions: faults = ['files of two versions side by side']
    return faults

def kill_writers(name, make, place, home, kills, dice, together=False)->Tally:
    "Processes that replace one version by the other, killed; then what is there has to be whole, and the next one cleans up"
    tally, out = Tally(name), home/'out'
    for k in (0,1): finish(make, place, k, home/f'v{k}')
    versions = [content(home/f'v{k}') for k in (0,1)]
    span = 3*finish(make, place, 0, out)
    while tally.kills<kills:
        alive, half = strike(child(over_and_over, make, place, out, dice.random()), home, span, dice, aim=True)
        tally.kills, tally.halves = tally.kills + alive, tally.halves + half
        tally.lost += files_lost(seen(out), versions, together=False)
        if together: # whoever opens it finds all files of one version
            try: pipeline.load_clip(out)
            except InputError as error: tally.lost.append(str(error))
            tally.lost += files_lost(seen(out), versions, together)
        finish(make, place, 0, out)
        if seen(out)!=versions[0] or hidden(home): tally.lost.append(f'the next run left {hidden(home)}, or other files than it should')
    return tally

def newest(run)->int: # step of the newest checkpoint, whole or not
    return max([int(p.name[5:]) for p in run.glob('checkpoints/step-*')], default=0)

def newest_is_whole(run, before)->tuple: # (step of the newest checkpoint, what is lost)
    if not newest(run): return 0, [f'all checkpoints, the newest was {before}'] if before else []
    try: step = engine.load_checkpoint(run)[1]['step']
    except InputError as error: return newest(run), [str(error)]
    lost = [f'the newest checkpoint {newest(run)} is damaged, {step} is whole'] if step!=newest(run) else []
    return step, lost + ([f'checkpoint {before}, now there is {step}'] if step<before else [])

def run_lost(run, whole): # a run that has ended, beside one that nobody touched
    (a, _), (b, _) = (engine.load_checkpoint(r) for r in (run, whole))
    lost = [f'{k} differs' for k in b if k not in a or not torch.equal(a[k], b[k])]
    if (run/'log.jsonl').read_bytes()!=(whole/'log.jsonl').read_bytes(): lost.append('the log differs')
    if content(run/'clip')!=content(whole/'clip'): lost.append('its clip differs')
    return lost + [f'{name} was left' for name in hidden(run)]

def kill_runs(name, make, place, home, kills, dice, aim)->Tally:
    "A training run, killed again and again; at its end every number is as if nothing had happened"
    tally, run = Tally(name), home/'run'
    span = finish(make, place, 0, home/'whole')/3
    while tally.kills<kills:
        step = 0
        for _ in range(min(6, kills-tally.kills)): # so many for one run, then it may end
            later = dice.choice(range(step, STEPS, SAVE_EVERY) or [STEPS]) # it gets as far as this, and then some
            alive, half = strike(child(slowly, make, place, 0, run, dice.random()), home, span, dice, aim, due=lambda: newest(run)>=later)
            if not alive: break
            tally.kills, tally.halves = tally.kills + 1, tally.halves + half
            step, lost = newest_is_whole(run, step)
            tally.lost += lost
        finish(make, place, 0, run)
        tally.lost += run_lost(run, home/'whole')
        shutil.rmtree(run)
    return tally

KINDS = dict(
    training=(.3, lambda *a: kill_runs('training', train, *a, aim=False)), # at random moments
    checkpoint=(.25, lambda *a: kill_runs('checkpoint', train, *a, aim=True)), # half of them while one is written
    film=(.2, lambda *a: kill_writers('film', make_film, *a)),
    prepare=(.15, lambda *a: kill_writers('prepare', make_clip, *a, together=True)),
    results=(.1, lambda *a: kill_writers('results', make_results, *a))) # film, picture and measures

def shares(kills, kinds): # how many of the kills each kind gets; what rounding leaves goes to the first
    total = sum(KINDS[k][0] for k in kinds)
    parts = {k: int(kills*KINDS[k][0]/total) for k in kinds}
    parts[kinds[0]] += kills - sum(parts.values())
    return parts

def run_kills(kills=200, seed=0, kinds=tuple(KINDS), say=lambda line: None)->list: # a Tally for each kind
    "So many kills of these kinds, in a folder of its own; `say` hears of each kind when it is done"
    tallies = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)/'place'
        place.mkdir()
        finish(set_the_scene, place)
        for n,(kind,share) in enumerate(shares(kills, kinds).items()):
            home, began = Path(folder)/kind, time.perf_counter()
            home.mkdir()
            tallies.append(KINDS[kind][1](place, home, share, random.Random(1000*seed + n)))
            tallies[-1].seconds = time.perf_counter() - began
            say(row(tallies[-1]))
    return tallies

HEAD = f'{"kind":12} {"kills":>6} {"half-written":>13} {"lost":>5} {"seconds":>8}'
def row(t): return f'{t.name:12} {t.kills:6} {t.halves:13} {len(t.lost):5} {t.seconds:8.1f}'
def total(tallies): return row(Tally('all', sum(t.kills for t in tallies), sum(t.halves for t in tallies), sum((t.lost for t in tallies), []), sum(t.seconds for t in tallies)))

def main(args=None)->int: # 1 where something was lost
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument('--kills', type=int, default=200)
    words.add_argument('--seed', type=int, default=0)
    words.add_argument('--kinds', nargs='+', choices=list(KINDS), default=list(KINDS))
    asked = words.parse_args(args)
    print(HEAD, flush=True)
    tallies = run_kills(asked.kills, asked.seed, tuple(asked.kinds), say=lambda line: print(line, flush=True))
    print(total(tallies))
    for t in tallies:
        for fault in t.lost[:5]: print(f'{t.name} lost: {fault}')
    return int(any(t.lost for t in tallies))

if __name__=='__main__': sys.exit(main())
