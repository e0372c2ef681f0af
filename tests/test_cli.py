"The command line: each command does its part, and every fault is one line, exit code 2, and a folder as it was"
import json, os, re, socket, subprocess, sys, tomllib
from pathlib import Path
import av, numpy as np, pytest, torch
from conftest import content
from v2v_tutorial import cli
from v2v_tutorial.clips.clip import InputError, read_video, write_film
from v2v_tutorial.clips.world import World
from v2v_tutorial.engine import TrainConfig, read_log
from v2v_tutorial.vid2vid.system import Vid2VidConfig

def one_line(result, *says): # a fault as it should be
    code, _, err = result
    lines = err.splitlines()
    assert code==2 and len(lines)==1 and lines[0].startswith('v2v: ') and 'Traceback' not in err, err
    for word in says: assert str(word) in lines[0], (word, lines[0])

def small_film(path, frames=24, size=(32,32)): return write_film(path, World(seed=0, size=(32,32)).clip(frames).frames[...,:size[0],:size[1]], 20.)

def sound(path): # a file with sound and no picture
    with av.open(str(path), 'w') as box:
        stream = box.add_stream('aac', rate=44100)
        for k in range(20):
            frame = av.AudioFrame.from_ndarray((.1*np.sin(np.arange(1024)/20+k)).astype(np.float32)[None], format='fltp', layout='mono')
            frame.rate, frame.pts = 44100, 1024*k
            box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    return path

@pytest.fixture(scope='module')
def place(tmp_path_factory): # files and folders, good and bad
    p = tmp_path_factory.mktemp('place')
    small_film(p/'good.mp4'), small_film(p/'still.mp4', 1), small_film(p/'short.mp4', 9), small_film(p/'tiny.mp4', size=(20,24)), sound(p/'sound.mp4')
    (p/'empty.mp4').write_bytes(b'')
    (p/'text.mp4').write_text('not a video\n'*99)
    (p/'random.mp4').write_bytes(np.random.default_rng(0).bytes(20_000))
    data = (p/'good.mp4').read_bytes()
    (p/'cut.mp4').write_bytes(data[:3000]) # what is left has its index and eight frames
    (p/'headless.mp4').write_bytes(data[:600])
    (p/'folder').mkdir()
    (p/'folder'/'readme.txt').write_text('nothing here')
    return p

@pytest.fixture(scope='module')
def made(tmp_path_factory, place): # a prepared clip and a trained run; networks small, so that tests are fast
    p, small = tmp_path_factory.mktemp('made'), Vid2VidConfig.__init__
    def run(*words):
        with pytest.raises(SystemExit) as end: cli.main([str(w) for w in words])
        assert not end.value.code
    with pytest.MonkeyPatch.context() as m:
        m.setattr(Vid2VidConfig, '__init__', lambda self, **kw: small(self, **{**dict(width=16, critic_width=4), **kw}))
        run('prepare', place/'good.mp4', '--out', p/'clip')
        run('train', p/'clip', '--out', p/'run', '--steps', 2, '--device', 'cpu')
        run('train', p/'clip', '--out', p/'bare', '--steps', 2, '--device', 'cpu', '--no-flow')
    return p

@pytest.fixture(autouse=True)
def offline(monkeypatch): # no command needs a network
    def refused(*args, **kw): pytest.fail(f'a connection was tried: {args}')
    for name in ('connect','connect_ex','sendto'): monkeypatch.setattr(socket.socket, name, refused)
    monkeypatch.setattr(socket, 'getaddrinfo', refused)

# ---- what each command does

def test_prepare_writes_a_clip_and_says_where(v2v, place, tmp_path):
    code, out, err = v2v('prepare', place/'good.mp4', '--out', tmp_path/'clip', '--frames', 20)
    assert code==0 and not err and '20 frames at 20 fps' in out and str(tmp_path/'clip'/'preview.png') in out
    assert set(content(tmp_path/'clip'))=={'clip.json','clip.safetensors','preview.png'}

def test_train_writes_a_run_and_says_what_is_next(made, v2v):
    assert len(read_log(made/'run'))==2 and (made/'run'/'clip'/'clip.json').exists()
    settings = [json.loads(next((made/r/'checkpoints').glob('*/state.json')).read_text())['system']['flow'] for r in ('run','bare')]
    assert settings==[True, False]

def test_train_takes_a_video_too_and_a_finished_run_is_only_loaded(v2v, place, tmp_path):
    words = 'train', place/'good.mp4', '--out', tmp_path/'run', '--steps', 1, '--device', 'cpu'
    code, out, _ = v2v(*words)
    before = content(tmp_path)
    assert code==0 and f'v2v synthesize {tmp_path}/run' in out
    assert v2v(*words)[0]==0 and content(tmp_path)==before

def test_synthesize_renders_the_film(made, v2v, tmp_path):
    code, out, err = v2v('synthesize', made/'run', '--out', tmp_path/'film')
    assert code==0 and not err and str(tmp_path/'film'/'film.mp4') in out
    assert set(content(tmp_path/'film'))=={'film.mp4','flow_and_mask.png'} and read_video(tmp_path/'film'/'film.mp4').frames.shape==(6,3,32,96)

@pytest.mark.parametrize('baseline,rows', [(False,['model','freeze_last','real']), (True,['model','no_flow','freeze_last','real'])])
def test_evaluate_writes_the_measures(made, v2v, tmp_path, baseline, rows):
    code, out, err = v2v('evaluate', made/'run', '--out', tmp_path/'m', *(['--no-flow', made/'bare'] if baseline else []))
    assert code==0 and not err and str(tmp_path/'m'/'metrics.json') in out and all(row in out for row in rows)
    assert list(json.loads((tmp_path/'m'/'metrics.json').read_text())['rows'])==rows

def test_demo_ends_by_saying_where_the_film_is_and_how_to_open_the_course(v2v, place, tmp_path):
    code, out, _ = v2v('demo', '--video', place/'good.mp4', '--out', tmp_path/'demo', '--steps', 1, '--device', 'cpu')
    assert code==0 and {'film.mp4','flow_and_mask.png','metrics.json','model','no_flow'}<=set(content(tmp_path/'demo'))
    assert str(tmp_path/'demo'/'film.mp4') in out.splitlines()[-4] and 'make lab' in out.splitlines()[-1]

def test_doctor_says_how_everything_is(v2v):
    code, out, err = v2v('doctor')
    told = [line for line in out.splitlines() if line.startswith('!')]
    assert not err and code==(2 if told else 0) and all('->' in line for line in told)
    for what in ('python','torch','opencv-python','av','H.264 encoder','perceptual distance','course','GPU','processor'): assert re.search(f'^[ !] {what} ', out, re.M)

def test_doctor_says_what_to_do_about_a_problem(v2v, monkeypatch):
    monkeypatch.setattr(cli, '_encoder', lambda: False)
    code, out, _ = v2v('doctor')
    assert code==2 and re.search('^! H.264 encoder +missing  ->  pip install', out, re.M)

@pytest.mark.parametrize('words', [[], ['--help'], *([c, '--help'] for c in ('doctor','prepare','train','synthesize','evaluate','demo','course')), ['course','build','--help']])
def test_help_is_printed_and_no_fault(v2v, words):
    code, out, err = v2v(*words)
    assert code==0 and not err and 'Usage: v2v' in out

def test_the_console_script_is_main(root):
    assert tomllib.loads((root/'pyproject.toml').read_text())['project']['scripts']=={'v2v': 'v2v_tutorial.cli:main'}

# ---- faults: a video that is none

VIDEOS = dict(missing=('nowhere.mp4','no such file'), empty=('empty.mp4','empty'), folder=('folder','folder'), text=('text.mp4','no video'), random=('random.mp4','no video'),
              cut=('cut.mp4','only 8 of 24 frames'), headless=('headless.mp4','no video'), sound=('sound.mp4','no video'), still=('still.mp4','1 frame'), short=('short.mp4','9 frames'), tiny=('tiny.mp4','24x20'))

@pytest.mark.parametrize('command', ['prepare','train','demo'])
@pytest.mark.parametrize('what', VIDEOS)
@pytest.mark.parametrize('existed', [False, True])
def test_a_video_that_is_none_is_named(v2v, place, tmp_path, command, what, existed):
    name, says = VIDEOS[what]
    if command=='train' and what=='folder': says = 'no whole prepared clip'
    out = tmp_path/'out'
    if existed:
        out.mkdir()
        (out/'film.mp4').write_text('mine')
    before = content(tmp_path)
    one_line(v2v(command, *(['--video'] if command=='demo' else []), place/name, '--out', out), place/name, says)
    assert content(tmp_path)==before and out.exists() is existed

# ---- faults: a value, a folder, a word

VALUES = dict(labels=('prepare',['--labels','poses'],"labels='poses'"), frames=('prepare',['--frames','3'],'frames=3'), max_side=('prepare',['--max-side','8'],'max_side=8'),
              steps=('train',['--steps','0'],'steps=0'), minus=('train',['--steps','-5'],'steps=-5'), device=('train',['--device','abacus'],"device='abacus'"),
              precision=('train',['--precision','fp4'],"precision='fp4'"), seed=('train',['--seed','-1'],'seed=-1'), letters=('train',['--steps','many'],'many'),
              fraction=('train',['--steps','1.5'],'1.5'), option=('prepare',['--oops','1'],'--oops'), words=('prepare',['more.mp4'],'more.mp4'))

@pytest.mark.parametrize('what', VALUES)
def test_a_value_out_of_range_is_named(v2v, place, made, tmp_path, what):
    command, words, says = VALUES[what]
    one_line(v2v(command, made/'clip' if command=='train' else place/'good.mp4', '--out', tmp_path/'out', *words), says)
    assert not content(tmp_path)

@pytest.mark.parametrize('words,says', [(['--recipe','soup'],"recipe='soup': no such recipe"), (['clip','--recipe','quickstart'],'--recipe fixes clip'),
                                        (['--recipe','quickstart','--no-flow'],'--recipe fixes'), (['--recipe','quickstart','--steps','0'],'steps=0'), ([],'CLIP is missing')])
def test_a_recipe_that_will_not_do_is_named(v2v, tmp_path, words, says):
    one_line(v2v('train', *words, '--out', tmp_path/'out'), says)
    assert not content(tmp_path)

def test_a_recipe_is_trained_by_one_command(v2v, tmp_path, monkeypatch):
    "With the recipe's own settings, and the number of steps for a trial"
    import v2v_tutorial.recipes as recipes
    asked = []
    monkeypatch.setattr(recipes, 'train_recipe', lambda *args: asked.append(args) or tmp_path/'out'/'shipped')
    for words,steps in (([], recipes.RECIPES['quickstart'].train.steps), (['--steps', 7], 7)):
        code, out, _ = v2v('train', '--recipe', 'quickstart', '--out', tmp_path/'out', *words)
        name, folder, train = asked[-1]
        assert code==0 and (name, folder, train.steps, train.seed)==('quickstart', tmp_path/'out', steps, 0) and str(tmp_path/'out'/'shipped') in out

def test_a_recipe_goes_to_a_folder_of_its_name_on_the_device_that_was_asked_for(v2v, monkeypatch):
    import v2v_tutorial.recipes as recipes
    asked = []
    monkeypatch.setattr(recipes, 'train_recipe', lambda *args: asked.append(args) or Path('made'))
    assert v2v('train', '--recipe', 'quickstart', '--device', 'cuda')[0]==0
    (_, folder, train), = asked
    assert folder==Path('runs/quickstart') and train.device=='cuda'

def test_every_word_of_a_command_is_handed_on(v2v, monkeypatch):
    asked = []
    monkeypatch.setattr('v2v_tutorial.pipeline.demo', lambda *args, **kw: asked.append(args))
    monkeypatch.setattr('v2v_tutorial.pipeline.read_source', lambda *args, **kw: asked.append((args, kw)) or ('clip', {}))
    monkeypatch.setattr('v2v_tutorial.pipeline.train_clip', lambda *args, **kw: asked.append((args, kw)))
    words = '--steps', 7, '--seed', 5, '--device', 'cpu', '--precision', 'bf16'
    train = TrainConfig(steps=7, seed=5, device='cpu', precision='bf16')
    v2v('demo', '--video', 'a.mp4', '--out', 'there', '--labels', 'lines', '--frames', 30, '--max-side', 40, *words)
    v2v('train', 'a.mp4', '--out', 'there', '--no-flow', *words)
    v2v('train', 'a.mp4')
    v2v('prepare', 'a.mp4', '--labels', 'lines', '--frames', 30, '--max-side', 40)
    assert asked[0]==(Path('a.mp4'), Path('there'), 'lines', 30, 40, train)
    assert asked[2]==(('clip', {}, Path('there'), train), dict(flow=False)) and asked[4]==(('clip', {}, Path('runs/model'), TrainConfig()), dict(flow=True))
    assert asked[5]==((), dict(video=Path('a.mp4'), kind='lines', frames=30, max_side=40))

@pytest.mark.parametrize('command', ['train','demo'])
def test_a_device_that_is_not_there_is_named(v2v, place, tmp_path, monkeypatch, command):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    one_line(v2v(command, *(['--video'] if command=='demo' else []), place/'good.mp4', '--out', tmp_path/'a'/'out', '--device', 'cuda'), "device='cuda'", 'device=cpu')
    assert not content(tmp_path)

@pytest.mark.parametrize('words', [['nosuch'], ['train'], ['prepare'], ['synthesize'], ['evaluate'], ['--oops'], ['prepare','--out'], ['demo','extra']], ids=' '.join)
def test_a_word_that_is_wrong_or_missing_is_named(v2v, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one_line(v2v(*words), 'v2v --help')
    assert not content(tmp_path)

@pytest.mark.parametrize('command', ['synthesize','evaluate'])
@pytest.mark.parametrize('what', ['nowhere','folder','good.mp4','clip'])
def test_a_folder_that_is_no_run_is_named(v2v, place, made, tmp_path, command, what):
    run = made/'clip' if what=='clip' else place/what
    one_line(v2v(command, run, '--out', tmp_path/'a'/'out'), run, 'no checkpoint')
    assert not content(tmp_path)

def test_a_baseline_that_is_no_run_is_named(v2v, made, place, tmp_path):
    one_line(v2v('evaluate', made/'run', '--no-flow', place/'folder', '--out', tmp_path/'out'), place/'folder')
    assert not content(tmp_path)

def test_a_run_without_its_clip_is_named(v2v, made, tmp_path):
    from shutil import copytree, rmtree
    run = Path(copytree(made/'run', tmp_path/'run'))
    rmtree(run/'clip')
    one_line(v2v('synthesize', run, '--out', tmp_path/'out'), run/'clip')
    assert not (tmp_path/'out').exists()

def test_a_run_whose_checkpoints_are_damaged_is_named(v2v, made, tmp_path):
    from shutil import copytree
    run = Path(copytree(made/'run', tmp_path/'run'))
    for path in run.glob('checkpoints/*/state.safetensors'): os.truncate(path, 500)
    one_line(v2v('evaluate', run, '--out', tmp_path/'out'), run, 'checkpoints')
    assert not (tmp_path/'out').exists()

def command(name, place, made): # good input for each
    return dict(prepare=['prepare', place/'good.mp4'], train=['train', made/'clip', '--steps', 1, '--device', 'cpu'], synthesize=['synthesize', made/'run'],
                evaluate=['evaluate', made/'run'], demo=['demo', '--video', place/'good.mp4', '--steps', 1, '--device', 'cpu'])[name]

@pytest.mark.parametrize('where', ['file', 'file/below', 'file/far/below'])
@pytest.mark.parametrize('name', ['prepare','train','synthesize','evaluate','demo'])
def test_a_place_that_cannot_be_written_is_named(v2v, place, made, tmp_path, name, where):
    (tmp_path/'file').write_text('mine')
    before = content(tmp_path)
    one_line(v2v(*command(name, place, made), '--out', tmp_path/where), tmp_path/'file')
    assert content(tmp_path)==before

@pytest.mark.parametrize('words', [['--steps', 3], ['--seed', 1], ['--no-flow'], ['--precision','bf16']], ids=lambda w: w[0])
def test_other_settings_for_an_old_run_are_refused(v2v, made, tmp_path, words):
    from shutil import copytree
    copytree(made/'run', tmp_path/'run')
    before = content(tmp_path)
    one_line(v2v('train', made/'clip', '--out', tmp_path/'run', *(['--steps',2] if '--steps' not in words else []), *words), tmp_path/'run', 'another --out')
    assert content(tmp_path)==before

# ---- faults: whatever else goes wrong

FAULTS = dict(disk=(OSError(28, 'No space left on device', '/big/disk'), ['/big/disk','No space left']), package=(ModuleNotFoundError('x', name='torchmetrics'), ['torchmetrics','pip install']),
              unforeseen=(RuntimeError('two\nlines'), ['RuntimeError: two lines','--debug']), silent=(MemoryError(), ['MemoryError']), bare_disk=(OSError('odd'), ['odd']))

@pytest.mark.parametrize('what', FAULTS)
def test_an_unforeseen_fault_is_one_line_too(v2v, place, tmp_path, monkeypatch, what):
    error, says = FAULTS[what]
    def broken(*_, **__): raise error
    monkeypatch.setattr('v2v_tutorial.pipeline.save_clip', broken)
    one_line(v2v('prepare', place/'good.mp4', '--out', tmp_path/'out'), *says)
    assert not content(tmp_path)

def test_stopping_by_hand_says_that_it_goes_on(v2v, place, tmp_path, monkeypatch):
    def stopped(*_): raise KeyboardInterrupt
    monkeypatch.setattr('v2v_tutorial.vid2vid.system.SequentialSystem.draw', stopped)
    code, _, err = v2v('train', place/'good.mp4', '--out', tmp_path/'run', '--device', 'cpu')
    assert code==130 and err.splitlines()[-1]=='v2v: stopped; the same command goes on from the last checkpoint' and 'Traceback' not in err

@pytest.mark.parametrize('where', [0, -1])
def test_debug_shows_where(place, where):
    words = ['prepare', str(place/'nowhere.mp4')]
    words.insert(where if where==0 else len(words), '--debug')
    with pytest.raises(InputError, match='nowhere.mp4'): cli.main(words)

# ---- as a program

AS_V2V, AS_MODULE = ('-c', 'from v2v_tutorial.cli import main; main()'), ('-m', 'v2v_tutorial.cli')

def program(*words, how=AS_V2V, **kw):
    env = {**os.environ, 'PYTHONPATH': str(Path(cli.__file__).parents[1]), 'OMP_NUM_THREADS': '1'}
    return subprocess.run([sys.executable, *how, *map(str, words)], env=env, capture_output=True, text=True, timeout=120, **kw)

@pytest.mark.parametrize('how', [AS_V2V, AS_MODULE])
def test_a_program_ends_with_code_2_and_one_line(place, tmp_path, how):
    p = program('prepare', place/'cut.mp4', '--out', tmp_path/'out', how=how)
    one_line((p.returncode, p.stdout, p.stderr), place/'cut.mp4')
    assert not content(tmp_path)

def test_debug_prints_a_traceback(place, tmp_path):
    p = program('prepare', place/'text.mp4', '--out', tmp_path/'out', '--debug')
    assert p.returncode!=0 and 'Traceback' in p.stderr and 'InputError' in p.stderr and not content(tmp_path)

def test_help_does_not_wait_for_torch(tmp_path):
    code = "import sys; from v2v_tutorial.cli import main\ntry: main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"
    env = {**os.environ, 'PYTHONPATH': str(Path(cli.__file__).parents[1])}
    assert subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True).stdout.endswith('False\n')
