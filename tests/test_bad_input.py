"""Bad input: each case is one line that names the file, the value and the fix, and every folder is as it was, to the byte

Every file is made here, at test time. The full disk is real: a limit on the size of files (RLIMIT_FSIZE) lets the kernel refuse
the write itself, with "File too large" where a full disk says "No space left on device"; one film goes through /dev/full, which
says just that. The folder without rights is real too: root, whom no rights stop, becomes another user for the moment of the command.
"""
import errno, io, json, os, pickle, resource, shutil, tempfile, warnings
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
import av, cv2, numpy as np, pytest, torch
from safetensors.torch import load_file, save_file
from conftest import content
from test_cli import one_line, small_film, sound
from v2v_tutorial import cli, engine, metrics, pipeline
from v2v_tutorial.clips.clip import Clip, FilmWriter, InputError, InputWarning, read_video, to_float, to_uint8, write_film
from v2v_tutorial.clips.labels import edges, extract_labels
from v2v_tutorial.clips.world import World
from v2v_tutorial.engine import TrainConfig, load_checkpoint, load_run, pick_device, save_checkpoint
from v2v_tutorial.motion.warp import flow_dis, flows_dis, visible, warp
from v2v_tutorial.pipeline import load_clip, open_run, prepare, read_source, save_clip, save_picture, staged, synthesize, train_clip
from v2v_tutorial.vid2vid.system import SequentialSystem, Vid2VidConfig

SMALL = dict(width=16, critic_width=4, perceptual=0.)

@pytest.fixture(scope='module', autouse=True)
def small_networks(): # so that training takes a moment
    with pytest.MonkeyPatch.context() as m:
        init = Vid2VidConfig.__init__
        m.setattr(Vid2VidConfig, '__init__', lambda self, **kw: init(self, **{**SMALL, **kw}))
        yield

@pytest.fixture(scope='module')
def good(tmp_path_factory, small_networks): # a film, a prepared clip, three runs: with flow, without, and without on another clip
    p = tmp_path_factory.mktemp('good')
    small_film(p/'film.mp4'), write_film(p/'other.mp4', World(seed=1, size=(32,32)).clip(24).frames)
    train = TrainConfig(steps=2, device='cpu')
    for film in ('film','other'): prepare(p/film, video=p/f'{film}.mp4')
    train_clip(*load_clip(p/'film'), p/'run', train, progress=False)
    for film,name in (('film','bare'), ('other','bare_other')): train_clip(*load_clip(p/film), p/name, train, progress=False, flow=False)
    return p

@contextmanager
def full_disk(room): # from now on no file may grow beyond so many bytes
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try: yield
    finally: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

@contextmanager
def another_user(): # root may do anything; whoever isn't root is already stopped by the rights of the folder
    root = os.geteuid()==0
    if root: os.seteuid(65534)
    try: yield
    finally:
        if root: os.seteuid(0)

@pytest.fixture
def open_place(good): # a folder that another user can reach, unlike pytest's own
    p = Path(tempfile.mkdtemp())
    p.chmod(0o755)
    shutil.copy(good/'film.mp4', p)
    yield p
    for path in (p, *p.rglob('*')): path.chmod(0o755)
    shutil.rmtree(p)

class Bomb: # what a pickle can do to whoever opens it
    def __init__(self, path): self.path = path
    def __reduce__(self): return (Path.touch, (self.path,))

def bomb(p, save=pickle.dump): # the bytes of one that leaves the file p/boom
    data = io.BytesIO()
    save(Bomb(p/'boom'), data)
    return data.getvalue()

# ---- films

def film_of(path, pictures, codec, pix, source='rgb24'):
    with av.open(str(path), 'w') as box:
        stream = box.add_stream(codec, rate=20)
        (stream.height, stream.width), stream.pix_fmt = pictures[0].shape[:2], pix
        for picture in pictures: box.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format=source).reformat(format=pix)))
        box.mux(stream.encode(None))
    return path

def growing(path): # ten pictures of 32x32, then ten of 64x48, as JPEG in a film
    with av.open(str(path), 'w') as box:
        stream = box.add_stream('mjpeg', rate=20)
        stream.width, stream.height, stream.pix_fmt = 32, 32, 'yuvj420p'
        for t in range(20):
            packet = av.Packet(cv2.imencode('.jpg', np.full((32,32,3) if t<10 else (48,64,3), 10*t, np.uint8))[1].tobytes())
            packet.stream, packet.pts, packet.dts, packet.time_base, packet.is_keyframe = stream, t, t, Fraction(1, 20), True
            box.mux(packet)
    return path

def cut_film(p, good, share):
    data = (good/'film.mp4').read_bytes()
    (p/'film.mp4').write_bytes(data[:int(len(data)*share)])

def torn(p, good): # its index is whole, its pictures are zeros
    data = bytearray((good/'film.mp4').read_bytes())
    start = data.index(b'mdat') + 4
    data[start:] = bytes(len(data)-start)
    (p/'film.mp4').write_bytes(data)

def unreal(p, good): (p/'film.mp4').symlink_to(p/'film.mp4')
def picture(p, pixels): (p/'film.mp4').write_bytes(cv2.imencode('.png', pixels)[1].tobytes())

FILMS = dict(
    missing=(lambda p,good: None, 'no such file'), empty=(lambda p,good: (p/'film.mp4').touch(), 'the file is empty'),
    random_bytes=(lambda p,good: (p/'film.mp4').write_bytes(np.random.default_rng(1).bytes(9000)), 'no video could be decoded'),
    cut_to_nine=(lambda p,good: cut_film(p, good, .8), 'of 24 frames could be read; it is cut short or damaged: copy it again, at least'),
    cut_to_none=(lambda p,good: cut_film(p, good, .5), 'no '), zeros_inside=(torn, 'no frame from 0 on could be decoded'),
    sound_only=(lambda p,good: sound(p/'film.mp4'), 'no video could be decoded'),
    one_frame=(lambda p,good: small_film(p/'film.mp4', 1), 'only 1 frames; give a video of at least 16'),
    one_pixel=(lambda p,good: write_film(p/'film.mp4', torch.zeros(20,3,1,1)), '1x1 pixels'),
    one_line=(lambda p,good: write_film(p/'film.mp4', torch.zeros(20,3,2,400)), 'give at least 32 on the shorter side'),
    picture_16_bit=(lambda p,good: picture(p, np.full((64,64), 40_000, np.uint16)), 'only 1 frames'),
    picture_with_alpha=(lambda p,good: picture(p, np.full((64,64,4), 90, np.uint8)), 'only 1 frames'),
    arrays=(lambda p,good: np.savez(open(p/'film.mp4', 'wb'), frames=np.zeros((20,32,32,3), np.uint8)), 'no video could be decoded'),
    numbers=(lambda p,good: (p/'film.mp4').write_text(json.dumps(dict(frames=[[0]*9]*9))), 'no video could be decoded'),
    pickle=(lambda p,good: (p/'film.mp4').write_bytes(bomb(p)), 'no video could be decoded'),
    torch_pickle=(lambda p,good: (p/'film.mp4').write_bytes(bomb(p, torch.save)), 'no video could be decoded'),
    link_to_itself=(unreal, 'no such file'), pipe=(lambda p,good: os.mkfifo(p/'film.mp4'), 'is empty'))

@pytest.mark.parametrize('what', FILMS)
def test_a_film_that_is_none_is_one_line(v2v, good, tmp_path, what):
    make, says = FILMS[what]
    make(tmp_path, good)
    shutil.copytree(good/'film', tmp_path/'out') # an older clip, that must stay as it is
    before = sorted(p.name for p in tmp_path.iterdir()), content(tmp_path/'out')
    for words in (['prepare', tmp_path/'film.mp4'], ['demo', '--video', tmp_path/'film.mp4']):
        one_line(v2v(*words, '--out', tmp_path/'out'), tmp_path/'film.mp4', says)
        assert (sorted(p.name for p in tmp_path.iterdir()), content(tmp_path/'out'))==before # and so no boom either

def test_a_film_that_may_not_be_read_is_named(v2v, good, open_place):
    (open_place/'film.mp4').chmod(0o000)
    with another_user(): told = v2v('prepare', open_place/'film.mp4', '--out', open_place/'out')
    one_line(told, open_place/'film.mp4', 'may not read')
    assert os.listdir(open_place)==['film.mp4']

# what is odd but can be read: 16 bits, alpha, another size midway, an end that is missing

def deep(p):
    levels = to_uint8(World(seed=0, size=(32,32)).clip(20).frames)
    deep = [f[...,0].astype(np.uint16)*257 for f in levels]
    return film_of(p/'deep.mkv', deep, 'ffv1', 'gray16le', 'gray16le'), np.repeat(levels[...,:1], 3, -1)

def see_through(p):
    levels = to_uint8(World(seed=0, size=(32,32)).clip(20).frames)
    return film_of(p/'alpha.mov', [np.dstack([f, f[...,:1]]) for f in levels], 'png', 'rgba', 'rgba'), levels

@pytest.mark.parametrize('make', [deep, see_through])
def test_sixteen_bits_and_alpha_are_read_as_colours(tmp_path, make):
    path, wanted = make(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        clip = read_video(path)
    assert np.abs(to_uint8(clip.frames).astype(int)-wanted).max()<=2

def test_a_film_that_changes_its_size_is_read_at_its_first_size(tmp_path):
    clip = read_video(growing(tmp_path/'film.avi'))
    assert clip.frames.shape==(20,3,32,32) and abs(to_uint8(clip.frames)[15].mean()-150)<4

@pytest.mark.parametrize('name,codec', [('film.mp4','libx264'), ('film.webm','libvpx-vp9'), ('film.avi','mjpeg')])
def test_an_end_that_is_missing_is_said_and_the_rest_is_read(tmp_path, name, codec):
    "The mp4 and the avi count their frames, the webm knows its duration; mp4 needs its index in front to be readable at all"
    levels = to_uint8(World(seed=0, size=(32,32)).clip(48).frames)
    whole = tmp_path/f'whole_{name}'
    if name=='film.mp4': write_film(whole, to_float(levels), 20.)
    else: film_of(whole, list(levels), codec, 'yuvj420p' if codec=='mjpeg' else 'yuv420p')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert len(read_video(whole))==48 and len(read_video(whole, stop=5))==5 # whole, or more than was asked for: not a word
    data = whole.read_bytes()
    (tmp_path/name).write_bytes(data[:len(data)*3//4])
    with pytest.warns(InputWarning) as told: clip = read_video(tmp_path/name)
    assert 8<len(clip)<46 and f'{tmp_path/name}: only {len(clip)} of 48 frames' in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        read_video(tmp_path/name, stop=4)

def test_a_command_says_in_one_line_that_a_film_ends_early_and_goes_on(v2v, tmp_path, good):
    cut_film(tmp_path, good, .96)
    code, out, err = v2v('prepare', tmp_path/'film.mp4', '--out', tmp_path/'out')
    assert code==0 and len(err.splitlines())==1 and err.startswith(f'v2v: warning: {tmp_path}/film.mp4: only ') and ' of 24 frames' in err
    assert len(load_clip(tmp_path/'out')[0])==int(err.split('only ')[1].split()[0])

# ---- places for results

def fine(command, good): # with good input
    return dict(prepare=['prepare', good/'film.mp4'], train=['train', good/'film', '--steps', 2, '--device', 'cpu'],
                synthesize=['synthesize', good/'run'], evaluate=['evaluate', good/'run'],
                demo=['demo', '--video', good/'film.mp4', '--steps', 1, '--device', 'cpu'])[command]

def folder(*names): return lambda p: [(p/n).mkdir(parents=True) for n in names]
def text(name): return lambda p: ((p/name).parent.mkdir(exist_ok=True), (p/name).write_text('mine'))
def loop(p): (p/'out').symlink_to(p/'out')

PLACES = dict(
    file=('prepare', text('out'), 'out', 'this is a file'), below_a_file=('train', text('out'), 'out/run', ''),
    far_below_a_file=('evaluate', text('out'), 'out/a/b', ''),
    picture_is_a_folder=('prepare', folder('out/preview.png/mine'), 'out', 'preview.png: this is a folder'),
    film_is_a_folder=('synthesize', folder('out/film.mp4'), 'out', 'film.mp4: this is a folder'),
    table_is_a_folder=('evaluate', folder('out/metrics.json'), 'out', 'metrics.json: this is a folder'),
    checkpoints_is_a_file=('train', text('out/checkpoints'), 'out', 'checkpoints: this is a file'),
    log_is_a_folder=('train', folder('out/log.jsonl'), 'out', 'log.jsonl: this is a folder'),
    clip_is_a_file=('train', text('out/clip'), 'out', 'clip: this is a file'),
    model_is_a_file=('demo', text('out/model'), 'out', 'model: this is a file'),
    baseline_is_a_file=('demo', text('out/no_flow'), 'out', 'no_flow: this is a file'),
    name_too_long=('synthesize', folder(), 'o'*300, 'too long'), link_to_itself=('prepare', loop, 'out', ''),
    input_itself=('prepare', lambda p: small_film(p/'film.mp4'), 'film.mp4', 'this is a file'))

@pytest.mark.parametrize('what', PLACES)
def test_a_place_for_results_that_is_none_is_one_line(v2v, good, tmp_path, what):
    command, make, out, says = PLACES[what]
    make(tmp_path)
    before, of = content(tmp_path), content(good)
    one_line(v2v(*fine(command, good), '--out', tmp_path/out), tmp_path, says)
    assert content(tmp_path)==before and content(good)==of

@pytest.mark.parametrize('command', ['prepare','train','synthesize','evaluate','demo'])
@pytest.mark.parametrize('out', ['out','out/new'])
def test_a_folder_that_may_not_be_written_is_one_line(v2v, good, open_place, command, out):
    shutil.copytree(good, open_place/'in')
    shutil.copytree(good/'film', open_place/'out')
    for path in open_place.rglob('*'): path.chmod(0o755) # pytest's own folders are for their owner alone
    (open_place/'out').chmod(0o555)
    before = content(open_place)
    with another_user(): told = v2v(*fine(command, open_place/'in'), '--out', open_place/out)
    one_line(told, open_place/'out', 'ermission denied')
    assert content(open_place)==before

@pytest.mark.parametrize('command', ['prepare','train','synthesize','evaluate','demo'])
@pytest.mark.parametrize('old', [False, True], ids=['new','old'])
def test_a_full_disk_is_one_line_and_loses_nothing(v2v, good, tmp_path, command, old):
    if old: shutil.copytree(good/dict(prepare='other', train='film').get(command, 'bare_other'), tmp_path/'out') # demo moves it aside, and back
    before = content(tmp_path)
    with full_disk(700): code, out, err = v2v(*fine(command, good), '--out', tmp_path/'out')
    one_line((code, out, err.splitlines()[-1]), tmp_path/'out', 'File too large', 'free some space')
    assert content(tmp_path)==before

def test_a_disk_that_fills_between_film_and_picture_keeps_the_older_pair(v2v, good, tmp_path):
    synthesize(good/'run', tmp_path/'out')
    sizes = {p.name: p.stat().st_size for p in (tmp_path/'out').iterdir()}
    before = content(tmp_path)
    assert sizes['film.mp4']+500<sizes['flow_and_mask.png']
    with full_disk(sizes['film.mp4']+500): told = v2v('synthesize', good/'run', '--out', tmp_path/'out')
    one_line(told, tmp_path/'out', 'File too large')
    assert content(tmp_path)==before

def test_a_disk_that_fills_while_training_keeps_the_checkpoints_and_the_run_goes_on(good, tmp_path):
    clip, train = load_clip(good/'film'), TrainConfig(steps=4, save_every=2, device='cpu')
    train_clip(*clip, tmp_path/'whole', train, progress=False)
    count, save = iter(range(9)), engine.save_file
    def later(*args): # the first checkpoint has room
        if next(count)==0: return save(*args)
        with full_disk(700): return save(*args)
    with pytest.MonkeyPatch.context() as m:
        m.setattr(engine, 'save_file', later)
        with pytest.raises(InputError, match=f'{tmp_path}/run: .*File too large'): train_clip(*clip, tmp_path/'run', train, progress=False)
    assert [p.name for p in (tmp_path/'run'/'checkpoints').iterdir()]==['step-000002']
    train_clip(*clip, tmp_path/'run', train, progress=False)
    a, b = (load_checkpoint(tmp_path/k)[0] for k in ('whole','run'))
    assert a.keys()==b.keys() and all(torch.equal(v, b[k]) for k,v in a.items())

@pytest.mark.skipif(not Path('/dev/full').exists(), reason='/dev/full is a Linux device')
def test_a_film_onto_a_device_that_is_full_leaves_the_old_one(tmp_path):
    (tmp_path/'film.mp4').write_bytes(b'the old film')
    (tmp_path/'.film.part.mp4').symlink_to('/dev/full')
    with pytest.raises(InputError, match='film.mp4: .*No space left on device'): write_film(tmp_path/'film.mp4', torch.rand(20,3,32,32))
    assert content(tmp_path)=={'film.mp4': b'the old film'}

def test_a_picture_that_does_not_fit_is_an_error(tmp_path):
    with full_disk(50), pytest.raises(OSError) as found: save_picture(tmp_path/'a.png', np.zeros((64,64,3), np.uint8))
    assert found.value.errno==errno.EFBIG

def test_results_move_in_on_a_disk_of_their_own(tmp_path, monkeypatch):
    "Where the folder is a mounted disk, nothing can be moved in from beside it"
    (tmp_path/'disk').mkdir()
    move = os.replace
    def across(a, b):
        inside = [tmp_path/'disk' in Path(p).parents for p in (a,b)]
        if inside[0]!=inside[1]: raise OSError(errno.EXDEV, 'Invalid cross-device link')
        move(a, b)
    monkeypatch.setattr(os, 'replace', across)
    with staged(tmp_path/'disk') as part: (part/'one').write_text('1')
    assert content(tmp_path/'disk')=={'one': b'1'}

# ---- prepared clips

def edit_notes(**changes): return lambda p: (p/'clip.json').write_text(json.dumps(json.loads((p/'clip.json').read_text()) | changes))
def edit_tensors(change):
    def edit(p):
        tensors = load_file(p/'clip.safetensors')
        change(tensors)
        save_file({k: v.contiguous() for k,v in tensors.items()}, p/'clip.safetensors')
    return edit

def put(name, value): return edit_tensors(lambda t: t.__setitem__(name, value(t) if callable(value) else value))
def hole(t):
    labels = t['labels'].clone()
    labels[5,0,3,3] = float('nan')
    return labels

CLIPS = dict(
    float_frames=(put('frames', lambda t: t['frames'].float()/127.5-1), 'give bytes'),
    wide_frames=(put('frames', lambda t: t['frames'].double()), 'give bytes'),
    channels_first=(put('frames', lambda t: t['frames'].movedim(-1, 1)), 'give bytes'),
    a_label_too_few=(put('labels', lambda t: t['labels'][1:]), 'labels has shape'),
    labels_of_another_size=(put('labels', lambda t: t['labels'][...,:16]), 'labels has shape'),
    nan_label=(put('labels', hole), 'labels at frame 5'),
    infinite_label=(put('labels', lambda t: t['labels']*float('inf')), 'labels at frame 0'),
    no_labels=(edit_tensors(lambda t: t.pop('labels')), 'KeyError'),
    flow_of_another_size=(put('flow', torch.zeros(24,2,16,16)), 'flow has shape'),
    infinite_flow=(put('flow', torch.full((24,2,32,32), float('inf'))), 'flow at frame 0'),
    half_flow=(put('flow', torch.zeros(24,2,32,32).half()), 'give torch.float32'),
    visible_beyond_one=(put('visible', torch.full((24,1,32,32), 2.)), 'visible at frame 0'),
    float_ids=(put('ids', torch.zeros(24,1,32,32)), 'give torch.int64'),
    negative_ids=(put('ids', torch.full((24,1,32,32), -1)), 'ids at frame 0'),
    unknown_tensor=(put('mood', torch.zeros(24,1,32,32)), 'TypeError'),
    fps_in_words=(edit_notes(fps='fast'), "fps='fast'"), no_fps=(edit_notes(fps=None), 'fps=None'),
    fps_of_zero=(edit_notes(fps=0), 'fps=0'), name_is_a_number=(edit_notes(name=7), 'name=7'),
    list_of_notes=(lambda p: (p/'clip.json').write_text('[1, 2]'), 'TypeError'),
    notes_are_text=(lambda p: (p/'clip.json').write_text('"frames"'), 'TypeError'),
    binary_notes=(lambda p: (p/'clip.json').write_bytes(b'\xff\xfe'), 'UnicodeDecodeError'),
    cut_tensors=(lambda p: os.truncate(p/'clip.safetensors', 5000), 'SafetensorError'),
    pickle=(lambda p: (p/'clip.safetensors').write_bytes(bomb(p)), 'SafetensorError'),
    torch_pickle=(lambda p: (p/'clip.safetensors').write_bytes(bomb(p, torch.save)), 'SafetensorError'),
    pickled_notes=(lambda p: (p/'clip.json').write_bytes(bomb(p)), 'Error'),
    too_short=(edit_tensors(lambda t: t.update({k: v[:8] for k,v in t.items()})), 'give at least 8'),
    one_pixel=(edit_tensors(lambda t: t.update(frames=t['frames'][:,:1,:1], labels=t['labels'][...,:1,:1])), 'frames of 1x1'))

@pytest.mark.parametrize('what', CLIPS)
def test_a_prepared_clip_that_is_spoilt_is_one_line(v2v, good, tmp_path, what):
    damage, says = CLIPS[what]
    shutil.copytree(good/'film', tmp_path/'clip')
    damage(tmp_path/'clip')
    before = content(tmp_path)
    named = 'film: ' if what in ('one_pixel','too_short') else tmp_path/'clip' # a clip that is whole goes by its name
    one_line(v2v('train', tmp_path/'clip', '--out', tmp_path/'out', '--device', 'cpu'), named, says)
    assert content(tmp_path)==before

@pytest.mark.parametrize('notes', ['[1, 2]', '"world"', '7', 'null', '{"source": 5}'])
def test_results_with_odd_notes_are_moved_aside_like_others(good, tmp_path, notes):
    shutil.copytree(good/'film', tmp_path/'out'/'clip')
    (tmp_path/'out'/'clip'/'clip.json').write_text(notes)
    before, aside = content(tmp_path/'out'), pipeline._make_room(tmp_path/'out', dict(source='film.mp4'))
    assert list(tmp_path.iterdir())==[aside] and content(aside)==before

# ---- checkpoints

def each(name, damage): # do it to that file of every checkpoint
    def edit(run):
        for path in (run/'checkpoints').glob(f'*/{name}'): damage(path)
    return edit

def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data)//2] ^= 4
    path.write_bytes(data)

def reseal(tensors=lambda t: t, notes=lambda n: n): # a careful forger, who makes the checksum fit
    def edit(run):
        old, said = load_checkpoint(run)
        shutil.rmtree(run/'checkpoints')
        save_checkpoint(run, said['step'], tensors(old), notes(said))
    return edit

def weights_of_a_pickle(run): # with a fitting seal too
    for path in (run/'checkpoints').glob('*/state.safetensors'):
        path.write_bytes(bomb(run, torch.save))
        notes = json.loads(path.with_name('state.json').read_text())
        notes.pop('sha256')
        path.with_name('state.json').write_text(json.dumps(notes | dict(sha256=engine._seal(path, notes))))

def lost(tensors): return {k: v*float('nan') if k=='average.paint.weight' else v for k,v in tensors.items()}
def other(**changes): return lambda n: n | dict(system=n['system'] | changes)
def poor(clip): return lambda run: (shutil.rmtree(run/'clip'), save_clip(clip, (run/'clip').mkdir() or run/'clip', {}))
def two_labels(): return Clip(World(seed=0, size=(32,32)).clip(24).frames, torch.zeros(24,2,32,32))

RUNS = dict(
    cut_weights=(each('state.safetensors', lambda p: os.truncate(p, p.stat().st_size//2)), 'none of its'),
    edited_weights=(each('state.safetensors', flip), 'none of its'),
    edited_notes=(each('state.json', lambda p: p.write_text(p.read_text().replace('"step": 2', '"step": 9'))), 'none of its'),
    edited_checksum=(each('state.json', lambda p: p.write_text(p.read_text().replace('"sha256": "', '"sha256": "0'))), 'none of its'),
    no_notes=(each('state.json', Path.unlink), 'none of its'),
    notes_of_a_list=(each('state.json', lambda p: p.write_text('[]')), 'none of its'),
    pickle=(weights_of_a_pickle, 'none of its'),
    no_settings=(reseal(notes=lambda n: {k: v for k,v in n.items() if k!='system'}), "made by another version of this package ('system')"),
    settings_of_a_list=(reseal(notes=lambda n: n | dict(system=[])), 'made by another version'),
    width_in_words=(reseal(notes=other(width='many')), "width='many'"),
    width_out_of_range=(reseal(notes=other(width=5)), 'width=5'), unknown_setting=(reseal(notes=other(colour=1)), 'colour'),
    unknown_kind=(reseal(notes=lambda n: n | dict(kind='Painter')), "'Painter'"),
    missing_weight=(reseal(tensors=lambda t: {k: v for k,v in t.items() if k!='system.plate'}), 'made by another version'),
    weight_of_another_shape=(reseal(tensors=lambda t: t | {'system.plate': torch.zeros(1,3,8,8)}), 'made by another version'),
    weights_that_are_no_numbers=(reseal(tensors=lost), 'NaN'), clip_with_more_labels=(poor(two_labels()), 'this generator wants'))

@pytest.mark.parametrize('what', RUNS)
def test_a_run_that_is_spoilt_is_one_line(v2v, good, tmp_path, what):
    damage, says = RUNS[what]
    shutil.copytree(good/'run', tmp_path/'run')
    damage(tmp_path/'run')
    (tmp_path/'out').mkdir()
    (tmp_path/'out'/'film.mp4').write_bytes(b'the old film')
    before = content(tmp_path)
    for command in ('synthesize','evaluate'):
        one_line(v2v(command, tmp_path/'run', '--out', tmp_path/'out'), says)
        assert content(tmp_path)==before

@pytest.mark.parametrize('baseline,says', [('bare_other','trained on another clip'), ('run','trained with flow'), ('film','no checkpoint')])
def test_a_baseline_that_is_none_is_one_line(v2v, good, tmp_path, baseline, says):
    one_line(v2v('evaluate', good/'run', '--no-flow', good/baseline, '--out', tmp_path/'out'), good/baseline, says)
    assert not content(tmp_path)

# ---- values

VALUES = dict(
    kind=('prepare', ['--labels','poses'], "labels='poses'"), no_kind=('prepare', ['--labels',''], "labels=''"),
    frames_in_words=('prepare', ['--frames','many'], 'many'), frames_nan=('prepare', ['--frames','nan'], 'nan'),
    too_few_frames=('prepare', ['--frames','15'], 'frames=15'), side_of_zero=('prepare', ['--max-side','0'], 'max_side=0'),
    side_below_zero=('demo', ['--max-side','-64'], 'max_side=-64'),
    too_many_steps=('train', ['--steps','99999999999'], 'steps=99999999999'),
    steps_in_thousands=('train', ['--steps','1e3'], '1e3'),
    seed_too_large=('train', ['--seed','3000000000'], 'seed=3000000000'),
    seed_in_words=('demo', ['--seed','lucky'], 'lucky'), device=('train', ['--device','tpu'], "device='tpu'"),
    numbered_device=('train', ['--device','cuda:7'], "device='cuda:7'"),
    precision=('demo', ['--precision','fp64'], "precision='fp64'"))

@pytest.mark.parametrize('what', VALUES)
def test_a_value_that_is_none_is_one_line(v2v, good, tmp_path, what):
    command, words, says = VALUES[what]
    shutil.copytree(good/'film', tmp_path/'out')
    before = content(tmp_path)
    one_line(v2v(*fine(command, good)[:3 if command=='demo' else 2], *words, '--out', tmp_path/'out'), says)
    assert content(tmp_path)==before

# ---- functions

def zeros(*shape): return torch.zeros(shape)
def spoilt(value, *shape):
    x = zeros(*shape)
    x.view(-1)[x.numel()//2] = value
    return x
F, NAN, INF = (4,3,16,16), float('nan'), float('inf')
def with_clip(**changes): return lambda p: Clip(zeros(*F), **changes)
def film_with(*frames, **settings):
    def write(p):
        with FilmWriter(p/'a.mp4', **settings) as film:
            for frame in frames: film.add(frame)
    return write
def three_labels(p):
    system = SequentialSystem(Vid2VidConfig(frame_height=16, frame_width=16, labels=3))
    system.begin(Clip(zeros(12,3,16,16), zeros(12,1,16,16)))
def reading(*args, **kw): return lambda p: read_video(small_film(p.parent/'input.mp4', 4), *args, **kw)

CALLS = dict(
    clip_bytes=(lambda p: Clip(zeros(*F).byte()), 'frames is torch.uint8'),
    clip_double=(lambda p: Clip(zeros(*F).double()), 'torch.float64'),
    clip_ints=(lambda p: Clip(zeros(*F).int()), 'torch.int32'),
    clip_half=(lambda p: Clip(zeros(*F).half()), 'torch.float16'),
    clip_array=(lambda p: Clip(np.zeros(F, np.float32)), 'ndarray'), clip_none=(lambda p: Clip(None), 'NoneType'),
    clip_nan=(lambda p: Clip(spoilt(NAN, *F)), 'frames at frame 2'), clip_infinite=(lambda p: Clip(spoilt(INF, *F)), 'inf'),
    clip_of_levels=(lambda p: Clip(zeros(*F)+200), 'from 200.0 to 200.0; give numbers from -1 to 1'),
    clip_too_bright=(lambda p: Clip(spoilt(1.01, *F)), 'from 0.0 to 1.01'),
    clip_channels_last=(lambda p: Clip(zeros(4,16,16,3)), '(T,3,H,W)'),
    clip_grey=(lambda p: Clip(zeros(4,1,16,16)), '(T,3,H,W)'),
    label_nan=(with_clip(labels=spoilt(NAN, 4,1,16,16)), 'labels at frame 2 goes from nan'),
    label_infinite=(with_clip(labels=spoilt(-INF, 4,1,16,16)), 'labels at frame 2'),
    labels_too_many=(with_clip(labels=zeros(5,1,16,16)), 'labels has shape'),
    labels_flat=(with_clip(labels=zeros(4,16,16)), 'labels has shape'),
    labels_of_ints=(with_clip(labels=zeros(4,1,16,16).long()), 'labels is torch.int64'),
    labels_of_arrays=(with_clip(labels=np.zeros((4,1,16,16))), 'ndarray'),
    flow_of_another_size=(with_clip(flow=zeros(4,2,16,8)), 'flow has shape'),
    flow_nan=(with_clip(flow=spoilt(NAN, 4,2,16,16)), 'flow at frame 2'),
    visible_minus=(with_clip(visible=zeros(4,1,16,16)-1), 'visible at frame 0'),
    ids_float=(with_clip(ids=zeros(4,1,16,16)), 'give torch.int64'),
    ids_negative=(with_clip(ids=zeros(4,1,16,16).long()-1), 'ids at frame 0'), clip_fps=(with_clip(fps='25'), "fps='25'"),
    clip_fps_nan=(with_clip(fps=NAN), 'fps=nan'), clip_name=(with_clip(name=3), 'name=3'),
    floats_as_bytes=(lambda p: to_float(zeros(4,16,16,3)), 'give bytes'),
    bytes_channels_first=(lambda p: to_float(np.zeros(F, np.uint8)), 'give bytes'),
    bytes_as_floats=(lambda p: to_uint8(zeros(*F).byte()), 'give floats'),
    nan_as_bytes=(lambda p: to_uint8(spoilt(NAN, *F)), 'NaN'),
    infinity_as_bytes=(lambda p: to_uint8(spoilt(INF, *F)), 'infinity'),
    film_nan=(film_with(zeros(3,16,16), spoilt(NAN, 3,16,16)), 'a.mp4: a frame holds NaN'),
    film_growing=(film_with(zeros(3,16,16), zeros(3,16,18)), 'give one size'),
    film_quality=(film_with(zeros(3,16,16), quality=99), 'quality=99'),
    film_quality_half=(film_with(zeros(3,16,16), quality=.5), 'quality=0.5'),
    film_fps=(film_with(zeros(3,16,16), fps='fast'), 'fps=fast'), read_start=(reading(start=-1), 'start=-1'),
    read_stop=(reading(stop='end'), "stop='end'"), read_side=(reading(max_side=0), 'max_side=0'),
    read_least=(reading(least=9), 'only 4 frames; give a video of at least 9'),
    edges_flat=(lambda p: edges(zeros(3,16,16)), 'give (T,3,H,W)'),
    edges_none=(lambda p: edges(zeros(0,3,16,16)), 'give (T,3,H,W)'),
    edges_bytes=(lambda p: edges(zeros(*F).byte()), 'give floats'), edges_nan=(lambda p: edges(spoilt(NAN, *F)), 'NaN'),
    edges_share=(lambda p: edges(zeros(*F), 82), 'quantile=82'),
    labels_kind=(lambda p: extract_labels(Clip(zeros(*F)), 'pose'), "labels='pose'"),
    warp_size=(lambda p: warp(zeros(*F), zeros(4,2,16,8)), 'does not fit'),
    warp_count=(lambda p: warp(zeros(*F), zeros(3,2,16,16)), 'does not fit'),
    warp_bytes=(lambda p: warp(zeros(*F).byte(), zeros(4,2,16,16)), 'does not fit'),
    warp_mode=(lambda p: warp(zeros(*F), zeros(4,2,16,16), 'nearest'), "mode='nearest'"),
    visible_size=(lambda p: visible(zeros(4,2,16,16), zeros(4,2,16,8)), 'does not fit'),
    flow_counts=(lambda p: flow_dis(zeros(*F), zeros(3,3,16,16)), 'of one shape'),
    flow_sizes=(lambda p: flow_dis(zeros(*F), zeros(4,3,16,18)), 'of one shape'),
    flow_nothing=(lambda p: flow_dis(zeros(0,3,16,16), zeros(0,3,16,16)), 'of one shape'),
    motion_nan=(lambda p: flow_dis(spoilt(NAN, *F), zeros(*F)), 'NaN'),
    flow_small=(lambda p: flows_dis(zeros(4,3,1,1)), 'too small'),
    flow_still=(lambda p: flows_dis(zeros(1,3,16,16)), 'no motion'),
    psnr_nan=(lambda p: metrics.psnr(spoilt(NAN, *F), zeros(*F)), 'generated frames hold NaN'),
    psnr_infinite=(lambda p: metrics.psnr(zeros(*F), spoilt(INF, *F)), 'real frames hold NaN or inf'),
    psnr_bytes=(lambda p: metrics.psnr(zeros(*F).byte(), zeros(*F).byte()), 'give floats'),
    psnr_empty=(lambda p: metrics.psnr(zeros(0,3,8,8), zeros(0,3,8,8)), 'one shape'),
    ssim_small=(lambda p: metrics.ssim(zeros(2,3,1,1), zeros(2,3,1,1)), '11x11'),
    energy_of_a_pixel=(lambda p: metrics.gradient_energy(zeros(2,3,1,1)), '2x2'),
    motion_of_one=(lambda p: metrics.motion_epe(zeros(1,3,16,16), zeros(1,3,16,16)), 'two or more'),
    seen_too_few=(lambda p: metrics.warp_error(zeros(*F), zeros(4,2,16,16), zeros(1,1,16,16)), 'give (4, 2, 16, 16) and (4, 1, 16, 16)'),
    flow_too_few=(lambda p: metrics.warp_error(zeros(*F), zeros(3,2,16,16), zeros(4,1,16,16)), 'give (4, 2, 16, 16)'),
    unlabelled=(lambda p: save_clip(Clip(zeros(*F)), p, {}), 'extract_labels first'),
    labels_beyond_half=(lambda p: save_clip(Clip(zeros(*F), zeros(4,1,16,16)+70_000), p, {}), 'labels reach 70000'),
    source_frames=(lambda p: read_source(frames='many'), "frames='many'"),
    source_side=(lambda p: read_source(max_side=None), 'max_side=None'),
    device=(lambda p: pick_device('tpu'), "device='tpu'"), settings=(lambda p: TrainConfig(lr=float('nan')), 'lr=nan'),
    system_settings=(lambda p: Vid2VidConfig(critic=-1), 'critic=-1'),
    labels_of_another_count=(three_labels, 'wants labels (T,3,16,16)'),
    no_run=(lambda p: load_run(p), 'no checkpoint'), no_clip=(lambda p: load_clip(p/'none'), 'no whole prepared clip'),
    no_run_to_open=(lambda p: open_run(p/'none'), 'no checkpoint'))

@pytest.mark.parametrize('what', CALLS)
def test_a_call_that_makes_no_sense_is_an_input_error(tmp_path, what):
    call, says = CALLS[what]
    (tmp_path/'out').mkdir()
    with pytest.raises(InputError) as found: call(tmp_path/'out')
    assert says in str(found.value) and '\n' not in str(found.value) and ('; ' in str(found.value) or ': ' in str(found.value))
    assert not content(tmp_path/'out')

def test_a_clip_forgives_rounding():
    assert len(Clip(zeros(*F)+1.00005))==4

def test_there_are_cases_enough():
    assert len(FILMS)+len(PLACES)+len(CLIPS)+len(RUNS)+len(VALUES)+len(CALLS)>=150
