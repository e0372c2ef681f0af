"Bytes to floats and back, clips that are cut together, films that any reader gets back, and errors that name the file"
from dataclasses import replace
import av, cv2, numpy as np, pytest, torch
from torch.testing import assert_close
from v2v_tutorial.clips.clip import Clip, FilmWriter, InputError, InputWarning, read_video, to_float, to_uint8, write_film

COLOURS = np.array([(255,0,0),(0,255,0),(0,0,255),(255,255,0),(0,255,255),(255,0,255),
                    (200,60,30),(30,90,200),(240,180,150),(128,128,128),(250,250,250),(8,8,8)], np.uint8)

def patches(h=48, w=96): return np.broadcast_to(COLOURS.repeat(w//12, 0), (h,w,3)).copy() # (H,W,3): upright stripes, one colour each

def film(t=6, h=16, w=24): # (T,3,H,W): a soft bar that moves right, dark to the left and bright to the right
    xs = torch.linspace(-1, 1, w)
    bar = torch.stack([torch.tanh(4*(xs - k/t)) for k in range(t)])
    return bar[:,None,None].expand(t,3,h,w).contiguous()

def bytes_of(path): return path.read_bytes()
def listing(folder): return sorted(p.name for p in folder.iterdir())

# ---- bytes and floats

def test_every_byte_comes_back():
    levels = np.arange(256, dtype=np.uint8).reshape(1,16,16,1).repeat(3, -1)
    assert (to_uint8(to_float(levels))==levels).all()

def test_black_and_white_are_minus_one_and_one():
    assert_close(to_float(np.array([[[[0,0,0],[255,255,255]]]], np.uint8))[0,0,0], torch.tensor([-1.,1.]))

def test_colour_becomes_the_second_axis():
    picture = np.zeros((2,4,5,3), np.uint8)
    picture[...,2] = 255
    frames = to_float(picture)
    assert frames.shape==(2,3,4,5) and frames.dtype==torch.float32 and (frames[:,2]==1).all() and (frames[:,:2]==-1).all()

@pytest.mark.parametrize('value,level', [(-5,0), (-1.01,0), (-1,0), (0,128), (.996,254), (1,255), (1.04,255), (70.,255)])
def test_floats_are_clamped_and_rounded(value, level):
    assert (to_uint8(torch.full((3,2,2), float(value)))==level).all()

@pytest.mark.parametrize('kind', [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_becomes_bytes(kind):
    assert (to_uint8(torch.full((3,1,2), .5, dtype=kind))==191).all()

def test_bytes_of_a_frame_that_still_has_a_gradient():
    assert to_uint8(torch.zeros(3,2,4, requires_grad=True)).shape==(2,4,3)

# ---- clips

def full_clip(t=8, h=4, w=6):
    number = torch.arange(t).view(t,1,1,1)
    part = lambda c: (number/8).expand(t,c,h,w)
    return Clip(part(3), labels=part(2), flow=part(2), visible=part(1), ids=number.expand(t,1,h,w), fps=12., name='counting')

@pytest.mark.parametrize('cut,left', [(slice(2,5),[2,3,4]), (slice(None,None,3),[0,3,6]), (slice(-2,None),[6,7]), (slice(5,5),[])])
def test_slicing_cuts_every_field(cut, left):
    clip = full_clip()[cut]
    for field in (8*clip.frames, 8*clip.labels, 8*clip.flow, 8*clip.visible, clip.ids): assert field[:,0,0,0].tolist()==left
    assert len(clip)==len(left) and (clip.fps, clip.name, clip.size)==(12., 'counting', (4,6))

def test_slicing_leaves_the_clip_whole():
    clip = full_clip()
    clip[2:4]
    assert len(clip)==8 and len(clip.labels)==8

@pytest.mark.parametrize('share,first', [(.75,6), (.5,4), (0,0), (1,8), (.8,6)])
def test_split_is_in_time_order(share, first):
    train,held = full_clip().split(share)
    assert (train.ids[:,0,0,0].tolist() + held.ids[:,0,0,0].tolist())==list(range(8)) and len(train)==first

def test_name_of_a_clip_tells_its_size():
    assert repr(full_clip(3))=='Clip(counting: 3 frames at 12 fps; frames (3, 3, 4, 6), labels (3, 2, 4, 6), flow (3, 2, 4, 6), ' \
                               'visible (3, 1, 4, 6), ids (3, 1, 4, 6))'

@pytest.mark.parametrize('shape', [(3,4,6), (2,1,4,6), (2,4,6,3), (1,2,3,4,6)])
def test_frames_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match='T,3,H,W'): Clip(torch.zeros(shape))

@pytest.mark.parametrize('field,shape', [('labels',(7,2,4,6)), ('flow',(8,2,6,4)), ('visible',(8,1,4,5)), ('ids',(1,1,4,6))])
def test_fields_that_do_not_fit_are_refused(field, shape):
    with pytest.raises(InputError, match=f'counting: {field} has shape'): replace(full_clip(), **{field: torch.zeros(shape)})

# ---- what painted worlds know beside motion

MORE = ('classes',1,torch.int64), ('things',1,torch.int64), ('parts',1,torch.int64), ('depth',1,torch.float32), ('uv',2,torch.float32)
each_more = pytest.mark.parametrize('field,channels,kind', MORE, ids=[m[0] for m in MORE])

@each_more
def test_other_truth_is_cut_like_frames(field, channels, kind):
    value = (torch.arange(8).view(8,1,1,1)/(8 if field=='uv' else 1)).expand(8,channels,4,6).to(kind)
    clip = replace(full_clip(), **{field: value})
    assert torch.equal(getattr(clip[2:5], field), value[2:5]) and field in repr(clip) and getattr(full_clip(), field) is None

@each_more
def test_other_truth_of_another_size_or_kind_is_refused(field, channels, kind):
    with pytest.raises(InputError, match=f'counting: {field} has shape.*height and width must agree'):
        replace(full_clip(), **{field: torch.zeros(8,channels,6,4, dtype=kind)})
    other = torch.float64 if kind==torch.float32 else torch.int32
    with pytest.raises(InputError, match=f'counting: {field} is {other}; give {kind}'): replace(full_clip(), **{field: torch.zeros(8,channels,4,6, dtype=other)})

@pytest.mark.parametrize('field,bad', [('classes',-1), ('things',-1), ('parts',-2), ('depth',-.5), ('depth',float('nan')), ('depth',float('inf')), ('uv',-.1), ('uv',1.2)])
def test_other_truth_out_of_range_is_refused(field, bad):
    _, channels, kind = next(m for m in MORE if m[0]==field)
    value = torch.zeros(8,channels,4,6, dtype=kind)
    value[3,0,1,2] = bad
    with pytest.raises(InputError, match=f'counting: {field} at frame 3'): replace(full_clip(), **{field: value})

def test_key_points_have_a_shape_of_their_own():
    points = torch.rand(8,17,3)
    clip = replace(full_clip(), points=points)
    assert torch.equal(clip[1:4].points, points[1:4])
    for shape in ((8,17,2), (7,17,3), (8,3), (8,1,17,3)):
        with pytest.raises(InputError, match=r'counting: points has shape.*give \(T,N,3\)'): replace(full_clip(), points=torch.zeros(shape))

# ---- real clips

@pytest.mark.parametrize('name,frames,size,fps', [('carphone_pristine',120,(144,176),29.97), ('bikes',250,(272,640),25)])
def test_real_clip_is_read_whole(real_clips, name, frames, size, fps):
    clip,first = read_video(real_clips/f'{name}.mp4', max_side=80),read_video(real_clips/f'{name}.mp4', stop=2)
    assert (len(clip), first.size, clip.name)==(frames, size, name) and clip.fps==pytest.approx(fps, abs=.01)
    assert clip.frames.min()>=-1 and clip.frames.max()<=1 and clip.frames.std()>.2

def test_reader_agrees_with_another_decoder(real_clips):
    "PyAV decodes to RGB on its own: colours, order of axes and order of frames"
    path = real_clips/'bikes.mp4'
    with av.open(str(path)) as box: want = np.stack([f.to_ndarray(format='rgb24') for f,_ in zip(box.decode(video=0), range(4))])
    assert np.abs(to_uint8(read_video(path, stop=4).frames).astype(int)-want).mean()<1

def test_part_of_a_clip_is_that_part(real_clips):
    path = real_clips/'carphone_pristine.mp4'
    whole = read_video(path, stop=12)
    assert_close(read_video(path, 5, 9).frames, whole.frames[5:9], atol=0, rtol=0)
    assert len(whole)==12 and len(read_video(path, 115))==5 and len(read_video(path, 110, 999))==10

@pytest.mark.parametrize('longest,size', [(88,(72,88)), (100,(82,100)), (176,(144,176)), (999,(144,176)), (1,(1,1))])
def test_longer_side_is_shrunk_and_never_grown(real_clips, longest, size):
    assert read_video(real_clips/'carphone_pristine.mp4', stop=2, max_side=longest).size==size

def test_shrinking_keeps_the_mean(real_clips):
    "Area averaging: a picked pixel of each block would alias"
    path = real_clips/'bikes.mp4'
    whole,small = read_video(path, stop=1).frames,read_video(path, stop=1, max_side=160).frames
    assert_close(small, torch.nn.functional.avg_pool2d(whole, 4), atol=2.1/127.5, rtol=0)

# ---- films

@pytest.mark.parametrize('h,w', [(16,24), (15,24), (16,23), (63,61), (1,1), (1,9), (9,1), (2,2), (33,2)])
def test_any_size_comes_back(tmp_path, h, w):
    frames = film(5, h, w)
    again = read_video(write_film(tmp_path/'a.mp4', frames, quality=1))
    assert again.size==(h,w) and len(again)==5
    assert (again.frames-frames).abs().mean()<.05

def test_padding_repeats_the_last_line(tmp_path):
    with av.open(str(write_film(tmp_path/'a.mp4', film(2, 15, 23), quality=1))) as box: frame = next(box.decode(video=0)).to_ndarray(format='rgb24')
    assert frame.shape==(16,24,3) and np.abs(frame[-1].astype(int)-frame[-2]).max()<12 and np.abs(frame[:,-1].astype(int)-frame[:,-2]).max()<12

def test_film_is_what_browsers_play(tmp_path):
    data = bytes_of(write_film(tmp_path/'a.mp4', film()))
    assert data.index(b'moov')<data.index(b'mdat')  # the index stands in front, so that a browser starts before it has all
    with av.open(str(tmp_path/'a.mp4')) as box:
        coder = box.streams.video[0].codec_context
        assert (coder.name, coder.pix_fmt)==('h264','yuv420p')

def test_film_says_how_its_colours_are_meant(tmp_path):
    "Without the note a player guesses by height, and reds and blues of a film of 720 rows are off by up to 39 levels in Chromium"
    with av.open(str(write_film(tmp_path/'a.mp4', film()))) as box:
        frame = next(box.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_range))==(5,1) or (int(frame.colorspace), int(frame.color_range))==(6,1)

@pytest.mark.parametrize('h', [48, 720])
def test_colours_survive(tmp_path, h):
    "A range conversion left out moves black by 16 levels, exchanged channels move red by 255"
    want = patches(h)
    got = to_uint8(read_video(write_film(tmp_path/'a.mp4', to_float(np.stack([want]*3)), quality=1)).frames)[1]
    middle = slice(3,None,8)  # the middle of each stripe: 4:2:0 mixes neighbours
    assert np.abs(got[h//2,middle].astype(int)-want[h//2,middle]).max()<=4

@pytest.mark.parametrize('name', ['carphone_pristine','bikes'])
def test_no_channel_of_a_real_clip_shifts(tmp_path, real_clips, name):
    "FFmpeg's own conversion rounds down, which costs 1.4 levels; nothing else may shift"
    clip = read_video(real_clips/f'{name}.mp4', stop=6)
    again = read_video(write_film(tmp_path/'a.mp4', clip.frames, clip.fps))
    error = (again.frames-clip.frames)*127.5
    assert error.mean((0,2,3)).abs().max()<2 and error.abs().mean((0,2,3)).max()<4.5

def test_frames_keep_their_order(tmp_path):
    grey = torch.linspace(-.9, .9, 30).view(30,1,1,1).expand(30,3,16,16)
    again = read_video(write_film(tmp_path/'a.mp4', grey)).frames.mean((1,2,3))
    assert len(again)==30 and (again.diff()>0).all()

@pytest.mark.parametrize('fps', [25, 24, 12.5, 30000/1001, 60, 1, .5])
def test_frame_rate_comes_back(tmp_path, fps):
    assert read_video(write_film(tmp_path/'a.mp4', film(4), fps)).fps==pytest.approx(fps, rel=1e-6)

@pytest.mark.parametrize('fps', [0, -1, float('nan'), float('inf'), 1000])
def test_impossible_frame_rate_is_refused(tmp_path, fps):
    with pytest.raises(InputError, match='a.mp4: fps='): write_film(tmp_path/'a.mp4', film(2), fps)
    assert listing(tmp_path)==[]

def test_lower_quality_is_smaller(tmp_path):
    noise = torch.rand(6,3,48,48, generator=torch.Generator().manual_seed(0))*2 - 1
    sizes = [write_film(tmp_path/f'{q}.mp4', noise, quality=q).stat().st_size for q in (10,25,45)]
    assert sizes[0]>sizes[1]>sizes[2]

def test_bytes_and_floats_make_the_same_film(tmp_path):
    frames = film(3)
    with FilmWriter(tmp_path/'a.mp4') as a:
        for frame in frames: a.add(frame)
    with FilmWriter(tmp_path/'b.mp4') as b:
        for frame in to_uint8(frames): b.add(frame)
    with FilmWriter(tmp_path/'c.mp4') as c:
        for frame in to_uint8(frames): c.add(torch.from_numpy(frame))
    assert bytes_of(tmp_path/'a.mp4')==bytes_of(tmp_path/'b.mp4')==bytes_of(tmp_path/'c.mp4')

def test_same_frames_make_the_same_film(tmp_path):
    "x264 weighs blocks by what later frames take from them (mbtree), and that differs from run to run"
    frames = film(24, 64, 64)*torch.tensor([1,.7,.4]).view(3,1,1)
    assert len({bytes_of(write_film(tmp_path/'a.mp4', frames)) for _ in range(8)})==1

def test_fine_colours_become_their_mean(tmp_path):
    "4:2:0 keeps one colour for each 2x2 pixels: the mean, and not that of one pixel of the four"
    board = np.zeros((32,32,3), np.uint8)
    board[::2,::2],board[1::2,1::2],board[::2,1::2],board[1::2,::2] = (255,0,0),(255,0,0),(0,0,255),(0,0,255)
    with av.open(str(write_film(tmp_path/'a.mp4', to_float(board[None]), quality=1))) as box: planes = next(box.decode(video=0)).to_ndarray()
    u,v = planes[32:40],planes[40:]
    assert abs(u.mean()-(90+240)/2)<4 and abs(v.mean()-(240+110)/2)<4

def test_memory_does_not_grow_with_the_film(tmp_path):
    "Frames leave the encoder while it writes: the part file grows before the end"
    rng = np.random.default_rng(0)
    with FilmWriter(tmp_path/'a.mp4', quality=1) as writer:
        for _ in range(120): writer.add(rng.integers(0, 255, (64,64,3), dtype=np.uint8))
        assert writer.part.stat().st_size>100_000

def test_folders_are_made(tmp_path):
    assert write_film(tmp_path/'new'/'er'/'a.mp4', film(2)).exists()

def foreign(path, note, h, w): # a film of one black frame by another writer, with a comment of its own
    black = av.VideoFrame.from_ndarray(np.zeros((h,w,3), np.uint8), format='rgb24')
    with av.open(str(path), 'w', metadata_encoding='latin-1') as box:
        box.metadata['comment'] = note
        stream = box.add_stream('libx264', rate=25)
        stream.width,stream.height,stream.pix_fmt = w,h,'yuv420p'
        for packet in [*stream.encode(black), *stream.encode(None)]: box.mux(packet)
    return path

def test_film_of_another_tool_is_not_cut(tmp_path):
    "A tool that scales our film may keep the note about its size; the note then doesn't fit and must not cut"
    assert read_video(foreign(tmp_path/'a.mp4', 'v2v size 15x9', 20, 32)).size==(20,32)

@pytest.mark.parametrize('note', ['v2v size', 'v2v size 3', 'v2v size axb', 'v2v size 8x8 and more', 'Grüße'])
def test_odd_comments_of_a_film_do_no_harm(tmp_path, note):
    assert read_video(foreign(tmp_path/'a.mp4', note, 8, 16)).size==(8,16)

# ---- bad input

def audio_only(path):
    with av.open(str(path), 'w') as box:
        stream = box.add_stream('aac', rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1,8192), np.float32), format='fltp', layout='mono')
        sound.sample_rate = 44100
        for packet in [*stream.encode(sound), *stream.encode(None)]: box.mux(packet)

BAD = dict(
    folder=lambda p,_: p.mkdir(),
    empty=lambda p,_: p.write_bytes(b''),
    text=lambda p,_: p.write_text('not a video\n'*300),
    noise=lambda p,_: p.write_bytes(np.random.default_rng(0).bytes(20_000)),
    cut_short=lambda p,real: p.write_bytes(bytes_of(real)[:300_000]),  # its index is at the end, and lost
    no_frame_left=lambda p,_: p.write_bytes(bytes_of(write_film(p.with_name('b.mp4'), torch.rand(9,3,48,48)))[:1500]),  # only the index is left
    audio=lambda p,_: audio_only(p),
    missing=lambda p,_: None)

@pytest.mark.parametrize('suffix', ['.mp4','.txt'])
@pytest.mark.parametrize('fault', BAD)
def test_bad_file_is_named_in_one_line(tmp_path, real_clips, fault, suffix):
    path = tmp_path/f'a{suffix}'
    if fault=='audio': suffix, path = '.m4a', tmp_path/'a.m4a'
    BAD[fault](path, real_clips/'carphone_pristine.mp4')
    with pytest.raises(InputError) as error: read_video(path)
    said = str(error.value)
    assert said.startswith(f'{path}: ') and '\n' not in said and ';' in said  # what is wrong; what to do

SAYS = dict(folder='folder', empty='empty', missing='no such file', text='no video', audio='no video', cut_short='no video')

@pytest.mark.parametrize('fault,word', SAYS.items())
def test_error_says_what_is_wrong(tmp_path, real_clips, fault, word):
    path = tmp_path/('a.m4a' if fault=='audio' else 'a.mp4')
    BAD[fault](path, real_clips/'carphone_pristine.mp4')
    with pytest.raises(InputError, match=word): read_video(path)

@pytest.mark.parametrize('span', [(50,None), (3,3), (0,0), (4,2)])
def test_span_without_frames_is_refused(tmp_path, span):
    path = write_film(tmp_path/'a.mp4', film(6))
    with pytest.raises(InputError, match='a.mp4: no frame'): read_video(path, *span)

def test_film_cut_short_gives_the_frames_that_are_left_and_says_so(tmp_path):
    frames = torch.rand(40,3,32,48)*2 - 1
    data = bytes_of(write_film(tmp_path/'whole.mp4', frames))
    (tmp_path/'half.mp4').write_bytes(data[:len(data)//2])
    whole = read_video(tmp_path/'whole.mp4').frames
    with pytest.warns(InputWarning, match=f'{tmp_path}/half.mp4: only .* of 40 frames could be read') as told: half = read_video(tmp_path/'half.mp4').frames
    assert 0<len(half)<40 and f'only {len(half)} of' in str(told[0].message)
    assert_close(half[:-2], whole[:len(half)-2], atol=0, rtol=0)  # the last ones may be damaged

# ---- whole or not at all

FAULTY = dict(
    none=[],
    one_channel=[torch.zeros(1,8,8)],
    no_channels=[torch.zeros(8,8)],
    float_array=[np.zeros((8,8,3))],
    channels_first=[np.zeros((3,8,8), np.uint8)],
    late=[torch.zeros(3,8,8)]*30 + [torch.zeros(3,8,10)],
    sides_exchanged=[torch.zeros(3,8,10), torch.zeros(3,10,8)])

@pytest.mark.parametrize('before', [None, b'the old film'])
@pytest.mark.parametrize('fault', FAULTY)
def test_faulty_film_changes_nothing(tmp_path, fault, before):
    path = tmp_path/'a.mp4'
    if before: path.write_bytes(before)
    with pytest.raises(InputError, match='a.mp4: '):
        with FilmWriter(path) as writer:
            for frame in FAULTY[fault]: writer.add(frame)
    assert listing(tmp_path)==(['a.mp4'] if before else []) and (not before or bytes_of(path)==before)

@pytest.mark.parametrize('error', [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize('frames', [0, 1, 40])
@pytest.mark.parametrize('before', [None, b'the old film'])
def test_error_inside_leaves_what_was_there(tmp_path, error, frames, before):
    path = tmp_path/'a.mp4'
    if before: path.write_bytes(before)
    with pytest.raises(error):
        with FilmWriter(path) as writer:
            for frame in film(40)[:frames]: writer.add(frame)
            raise error
    assert listing(tmp_path)==(['a.mp4'] if before else []) and (not before or bytes_of(path)==before)

def test_film_has_its_name_only_when_complete(tmp_path):
    path = tmp_path/'a.mp4'
    with FilmWriter(path) as writer:
        for frame in film(30): writer.add(frame)
        assert not path.exists()
    assert listing(tmp_path)==['a.mp4'] and len(read_video(path))==30

def test_new_film_replaces_the_old(tmp_path):
    path = write_film(tmp_path/'a.mp4', film(5))
    assert len(read_video(write_film(path, film(9))))==9 and listing(tmp_path)==['a.mp4']

@pytest.mark.parametrize('place', ['file/a.mp4', 'folder'])
def test_place_that_can_not_hold_a_film_is_named(tmp_path, place):
    (tmp_path/'file').write_text('in the way')
    (tmp_path/'folder').mkdir()
    with pytest.raises(InputError, match=f'{place}: '): write_film(tmp_path/place, film(2))
    assert listing(tmp_path)==['file','folder'] and listing(tmp_path/'folder')==[]

@pytest.mark.parametrize('when', ['encode','close','replace'])
def test_full_disk_leaves_what_was_there(tmp_path, monkeypatch, when):
    import errno, os
    def full(*_): raise OSError(errno.ENOSPC, 'No space left on device')
    path = tmp_path/'a.mp4'
    path.write_bytes(b'the old film')
    with pytest.raises(InputError, match='a.mp4: .*No space left'):
        with FilmWriter(path) as writer:
            for frame in film(3): writer.add(frame)
            real = writer.box
            class Box:
                mux = full if when=='encode' else staticmethod(real.mux)
                def close(self): full() if when=='close' else real.close()
            writer.box = Box()
            if when=='replace': monkeypatch.setattr(os, 'replace', full)
    assert listing(tmp_path)==['a.mp4'] and bytes_of(path)==b'the old film'

def test_writer_reports_a_film_without_frames(tmp_path):
    with pytest.raises(InputError, match='at least one frame'): write_film(tmp_path/'a.mp4', torch.zeros(0,3,8,8))
    assert listing(tmp_path)==[]

def test_reading_leaves_no_trace(tmp_path):
    path = write_film(tmp_path/'a.mp4', film(3))
    before = bytes_of(path)
    read_video(path)
    assert listing(tmp_path)==['a.mp4'] and bytes_of(path)==before
