"Data on disk: every malformed folder has its named fault, nothing is changed by looking, and what is written comes back to the bit"
import io, json, os, random, resource, shutil, time
from pathlib import Path
import cv2, numpy as np, pytest, torch
from PIL import Image
from conftest import content, files
from test_cli import one_line, sound
from v2v_tutorial.clips import data
from v2v_tutorial.clips.clip import InputError, read_video, to_float, to_uint8, write_film
from v2v_tutorial.clips.cuts import CUT, cut_scores, find_cuts
from v2v_tutorial.clips.data import colour_ids, count_colours, dataset_from_video, label_picture, load_data
from v2v_tutorial.clips.faults import FAULTS, DataError
from v2v_tutorial.clips.folders import check_data, count_labels, data_folders, frame_numbers, missing_numbers, picture_files, print_layout, validate
from v2v_tutorial.clips.world import World

T, H, W = 18, 40, 48

@pytest.fixture(scope='module')
def world():
    clip = World(seed=0, size=(H,W)).clip(T)
    return to_uint8(clip.frames), clip.ids[:,0].numpy().astype(np.uint8)

def png(path, pixels, **kw):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, 'PNG', **kw)

def frame(p, t): return p/'frames'/f'{t:06d}.png'
def label(p, t): return p/'labels'/f'{t:06d}.png'
def notes(p, **changes):
    old = json.loads((p/'data.json').read_text()) if (p/'data.json').exists() else dict(fps=25, frames=T, labels=8, ignore=None, names=None)
    (p/'data.json').write_text(json.dumps(old | changes))

@pytest.fixture(scope='module')
def good(tmp_path_factory, world):
    p = tmp_path_factory.mktemp('good')/'clip'
    for t in range(T): png(frame(p, t), world[0][t]), png(label(p, t), world[1][t])
    notes(p)
    return p

@pytest.fixture
def clip(good, tmp_path): return Path(shutil.copytree(good, tmp_path/'clip'))

def film(path, *worlds, frames=20, size=(40,48), **kw): # worlds one after the other
    return write_film(path, torch.cat([World(s, size=size).clip(frames).frames for s in worlds]), 12., quality=10, **kw)

def kinds(faults): return {f.kind for f in faults}
def quiet(*_): return None

# ---- malformed folders: damage -> names of all faults, and file and value of the first

def redo(which, t, change, **kw): # a picture written anew
    def damage(p, world): png(which(p, t), change(world[0][t] if which is frame else world[1][t]), **kw)
    return damage

def all_redo(which, change, **kw):
    def damage(p, world):
        for t in range(T): png(which(p, t), change(world[0][t] if which is frame else world[1][t]), **kw)
    return damage

def move(which, a, b): # the frame or label is called differently
    return lambda p, world: which(p, a).rename(which(p, a).with_name(b))

def rename_all(which, name):
    def damage(p, world):
        for t in reversed(range(T)): which(p, t).rename(which(p, t).with_name(name(t)))
    return damage

def both(*damages): return lambda p, world: [d(p, world) for d in damages]
def drop(which, *ts): return lambda p, world: [which(p, t).unlink() for t in ts]
def keep(n): return lambda p, world: ([x(p, t).unlink() for x in (frame,label) for t in range(n, T)], notes(p, frames=n))
def noted(**changes): return lambda p, world: notes(p, **changes)
def text(name, said): return lambda p, world: (p/name).write_text(said)

def at(pixels, value, y=5, x=9): # with one odd pixel
    pixels = pixels.copy()
    pixels[y,x] = value
    return pixels

def coloured(ids): return (np.array([[0,0,0],[128,64,128],[70,70,70],[107,142,35],[70,130,180],[220,20,60],[0,0,142],[119,11,32]], np.uint8))[ids]
def with_alpha(see): return lambda x: np.dstack([x, np.full(x.shape[:2], see, np.uint8)])

def as_palette(which, t):
    def damage(p, world):
        img = Image.open(which(p, t)).convert('L').convert('P')
        img.putpalette([v for k in range(256) for v in (k, 255-k, 7*k%256)])
        img.save(which(p, t))
    return damage

def jpeg(which, *ts): # the name still says PNG
    def damage(p, world):
        for t in ts: Image.fromarray((world[0] if which is frame else world[1])[t]).save(which(p, t), 'JPEG', quality=80)
    return damage

def bits(n, t=4): # grey with fewer bits, as OpenCV can't write and some tools do
    def damage(p, world):
        import struct, zlib
        low = world[1][t] & (1<<n)-1
        rows = [b'\0' + np.packbits(np.unpackbits(r[:,None], axis=1)[:,-n:].ravel()).tobytes() for r in low]
        chunk = lambda kind, body: struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind+body))
        head = struct.pack('>IIBBBBB', W, H, n, 0, 0, 0, 0)
        label(p, t).write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(b''.join(rows))) + chunk(b'IEND', b''))
    return damage

def deep_colour(p, world): # 16 bits a channel in colour, which Pillow alone would read as 8
    frame(p, 3).write_bytes(cv2.imencode('.png', world[0][3].astype(np.uint16)*257)[1].tobytes())

def turned(p, world):
    img, exif = Image.fromarray(world[0][2]), Image.Exif()
    exif[0x112] = 6
    img.save(frame(p, 2), exif=exif)

def shuffled_in(other): # from frame 9 on another world
    return lambda p, world: [png(frame(p, t), to_uint8(World(other, size=(H,W)).clip(T).frames)[t]) for t in range(9, T)]

def smooth(ids): return cv2.resize(cv2.resize(ids*30, (W//3,H//3), interpolation=cv2.INTER_LINEAR), (W,H), interpolation=cv2.INTER_LINEAR)

BAD = dict(
    no_pictures=(lambda p,w: [x.unlink() for x in (p/'frames').iterdir()], {'no_frames'}, 'frames', 'no picture'),
    fifteen=(keep(15), {'too_few'}, 'frames', '15 frames'), one=(keep(1), {'too_few'}, 'frames', '1 frame'),
    small=(both(all_redo(frame, lambda x: x[:20]), all_redo(label, lambda x: x[:20])), {'too_small'}, '000000.png', '48x20'),
    notes_of_a_folder=(lambda p,w: (p/'frames'/'Thumbs.db').write_bytes(b'x'), {'stray_file'}, 'Thumbs.db', 'no picture'),
    hidden=(lambda p,w: shutil.copy(frame(p, 0), p/'frames'/'._000000.png'), {'stray_file'}, '._000000.png', 'no picture'),
    folder_inside=(lambda p,w: (p/'frames'/'000003.png.old').mkdir(), {'stray_file'}, '000003.png.old', 'no picture'),
    cover=(lambda p,w: shutil.copy(frame(p, 0), p/'frames'/'cover.png'), {'unnumbered','unequal','notes_differ'}, 'cover.png', 'no number'),
    cameras=(rename_all(frame, lambda t: f'{"left" if t<9 else "right"}_{t:03d}.png'), {'two_series'}, 'frames', 'left_000.png and right_'),
    twice=(lambda p,w: shutil.copy(frame(p, 5), p/'frames'/'05.png'), {'same_number','unpadded','unequal','repeated','notes_differ'}, '05.png', 'number 5, which 000005.png'),
    hole=(both(drop(frame, 7), drop(label, 7), noted(frames=T-1)), {'gap'}, 'frames/000007.png', 'missing'),
    large_hole=(both(drop(frame, 7, 8), drop(label, 7, 8), noted(frames=T-2)), {'gap'}, 'frames/000007.png', 'up to number 8'),
    no_zeros=(both(rename_all(frame, lambda t: f'{t}.png'), rename_all(label, lambda t: f'{t}.png')), {'unpadded'}, '10.png', 'before 2.png'),
    label_lost=(drop(label, T-1), {'unequal','no_partner'}, 'labels', f'{T-1} labels beside {T} frames'),
    no_labels_at_all=(drop(label, *range(T)), {'unequal','no_partner'}, 'labels', '0 labels'),
    from_one=(rename_all(label, lambda t: f'{t+1:06d}.png'), {'no_partner'}, 'frames/000000.png', 'no label has number 0'),
    empty=(lambda p,w: frame(p, 3).write_bytes(b''), {'empty_file'}, '000003.png', '0 bytes'),
    words=(lambda p,w: frame(p, 3).write_text('not a picture\n'*9), {'not_a_picture'}, '000003.png', 'no picture'),
    torn=(lambda p,w: os.truncate(frame(p, 3), frame(p, 3).stat().st_size//2), {'cut_short'}, '000003.png', 'decoded'),
    torn_label=(lambda p,w: os.truncate(label(p, 3), label(p, 3).stat().st_size//2), {'cut_short'}, 'labels/000003.png', 'decoded'),
    deep=(deep_colour, {'frame_16_bit'}, '000003.png', '16 bits'),
    deep_grey=(redo(frame, 3, lambda x: x[...,0].astype(np.uint16)*257), {'frame_16_bit'}, '000003.png', '16 bits'),
    glass=(redo(frame, 4, with_alpha(90)), {'frame_alpha'}, '000004.png', f'{H*W} pixels not opaque'),
    clear_glass=(redo(frame, 4, with_alpha(255)), {'frame_opaque'}, '000004.png', 'opaque everywhere'),
    frame_of_a_palette=(as_palette(frame, 4), {'frame_palette'}, '000004.png', 'a palette'),
    grey=(redo(frame, 4, lambda x: x[...,0]), {'frame_grey'}, '000004.png', 'one channel'),
    print_colours=(lambda p,w: Image.fromarray(w[0][4]).convert('CMYK').save(frame(p, 4), 'TIFF'), {'frame_mode'}, '000004.png', 'CMYK'),
    compressed=(jpeg(frame, *range(T)), {'frame_jpeg'}, '000000.png', 'JPEG'),
    lying=(turned, {'frame_turned'}, '000002.png', 'turned'),
    larger=(redo(frame, 6, lambda x: np.pad(x, ((0,2),(0,0),(0,0)), mode='edge')), {'frame_size'}, '000006.png', f'{W}x{H+2}'),
    black=(redo(frame, 6, lambda x: x*0), {'frame_blank'}, '000006.png', 'one colour'),
    still=(lambda p,w: [png(frame(p, t), w[0][0]) for t in range(T)], {'static'}, '000000.png', f'all {T} frames'),
    doubled=(lambda p,w: [png(frame(p, t), w[0][t//2]) for t in range(T)], {'repeated'}, '000001.png', f'9 of {T}'),
    another_shot=(shuffled_in(1), {'cut'}, '000009.png', 'another shot'),
    deep_ids=(redo(label, 4, lambda x: x.astype(np.uint16)*1000), {'label_16_bit'}, 'labels/000004.png', '16 bits'),
    ids_of_a_palette=(as_palette(label, 4), {'label_palette'}, 'labels/000004.png', 'a palette'),
    one_bit=(lambda p,w: Image.fromarray(w[1][4]>3).save(label(p, 4)), {'label_few_bits'}, 'labels/000004.png', '1 bit a pixel, read as values up to 255'),
    two_bits=(bits(2), {'label_few_bits'}, 'labels/000004.png', '2 bit'), four_bits=(bits(4), {'label_few_bits'}, 'labels/000004.png', '4 bit'),
    drawn=(all_redo(label, coloured), {'label_rgb'}, 'labels/000000.png', 'different colours'),
    three_times=(redo(label, 4, lambda x: np.dstack([x]*3)), {'label_rgb'}, 'labels/000004.png', 'three channels'),
    ids_behind_glass=(redo(label, 4, lambda x: with_alpha(90)(coloured(x))), {'label_rgb','label_alpha'}, 'labels/000004.png', 'not opaque'),
    opaque_ids=(redo(label, 4, with_alpha(255)), {'label_opaque'}, 'labels/000004.png', 'opaque'),
    long_ids=(lambda p,w: Image.fromarray(w[1][4].astype(np.int32)).save(label(p, 4), 'TIFF'), {'label_16_bit','label_mode'}, 'labels/000004.png', 'kind I'),
    ids_compressed=(jpeg(label, 4), {'label_jpeg'}, 'labels/000004.png', 'JPEG, with'),
    ids_in_webp=(lambda p,w: Image.fromarray(w[1][4]).save(label(p, 4), 'WEBP', quality=60), {'label_rgb','label_jpeg'}, 'labels/000004.png', 'three channels'),
    half_size=(redo(label, 8, lambda x: x[::2,::2]), {'label_size'}, 'labels/000008.png', f'{W//2}x{H//2} on frames of {W}x{H}'),
    cityscapes=(redo(label, 4, lambda x: at(x, 255)), {'label_255'}, 'labels/000004.png', '255 in 1 pixel, the first at x=9, y=5'),
    mask=(both(all_redo(label, lambda x: (x>3).astype(np.uint8)*255), noted(labels=2)), {'label_255'}, 'labels/000000.png', '255 in'),
    beyond=(redo(label, 4, lambda x: at(x, 8)), {'label_beyond'}, 'labels/000004.png', '8 in 1 pixel, the first at x=9, y=5, but there are 8 labels'),
    gaps=(both(all_redo(label, lambda x: x*2), noted(labels=None)), {'label_gaps'}, 'labels', 'go up to 14, but nobody uses 1, 3, 5, 7, 9, 11, 13'),
    blank_labels=(all_redo(label, lambda x: x*0), {'label_blank'}, 'labels', 'class 0 everywhere'),
    resized=(both(all_redo(label, smooth), noted(labels=255)), {'label_smeared'}, 'labels', 'nowhere wider than a line'),
    no_notes=(lambda p,w: (p/'data.json').unlink(), {'no_notes'}, 'data.json', 'missing'),
    torn_notes=(text('data.json', '{"fps": 2'), {'notes_broken'}, 'data.json', 'JSONDecodeError'),
    notes_of_a_list=(text('data.json', '[1, 2]'), {'notes_broken'}, 'data.json', 'not the notes'),
    notes_of_bytes=(lambda p,w: (p/'data.json').write_bytes(b'\xff\xfe\0'), {'notes_broken'}, 'data.json', 'UnicodeDecodeError'),
    rate=(noted(fps='fast'), {'notes_wrong'}, 'data.json', "fps='fast'"), no_rate=(noted(fps=0), {'notes_wrong'}, 'data.json', 'fps=0'),
    not_a_rate=(noted(fps=float('nan')), {'notes_wrong'}, 'data.json', 'fps=nan'),
    number=(noted(labels=300), {'notes_wrong'}, 'data.json', 'labels=300'), flag=(noted(labels=True), {'notes_wrong'}, 'data.json', 'labels=True'),
    nothing=(noted(ignore=-1), {'notes_wrong'}, 'data.json', 'ignore=-1'), called=(noted(names=['sky']), {'notes_wrong'}, 'data.json', "names=['sky']"),
    half_a_copy=(noted(frames=40), {'notes_differ'}, 'data.json', f'frames=40, but {T} pictures'))

@pytest.mark.parametrize('what', BAD)
def test_a_malformed_folder_has_its_named_fault(clip, world, what):
    damage, wanted, file, says = BAD[what]
    damage(clip, world)
    before = content(clip)
    faults = validate(clip)
    assert kinds(faults)==wanted, '\n'.join(map(str, faults))
    fault = next(f for f in faults if says in f.value)
    line = str(fault)
    assert fault.file.startswith(str(clip)) and fault.file.endswith(file) and '\n' not in line
    assert line==f'{FAULTS[fault.kind][0]} {fault.kind}: {fault.file}: {fault.value}; {fault.fix}' and len(fault.fix)>9
    assert content(clip)==before

def test_every_name_has_a_case():
    "Those that a folder in the layout can't have are below"
    met = set().union(*(wanted for _,wanted,*_ in BAD.values()))
    assert set(FAULTS) - met=={'no_folder','not_readable','colours_many','colour_unknown'} and len(BAD)>=60

def test_a_good_folder_has_none(good): assert validate(good)==[] and check_data(good) is None

def test_nearly_the_same_frame_is_another_one(clip, world):
    png(frame(clip, 5), at(world[0][4], world[0][4][5,9]^1))
    assert validate(clip)==[]

def test_five_faults_of_one_folder_are_five_lines(clip, world):
    for name in ('cityscapes','deep','black','half_size','hole'): BAD[name][0](clip, world)
    assert kinds(validate(clip))=={'label_255','frame_16_bit','frame_blank','label_size','gap'}
    with pytest.raises(DataError) as found: check_data(clip)
    assert kinds(found.value.faults)=={'label_255','frame_16_bit','label_size','gap'} # a warning is no error
    assert str(found.value).splitlines()==[f'{clip}: 5 errors', *map(str, found.value.faults)] # the hole is one of frames and one of labels
    assert isinstance(found.value, InputError) and '\n' not in found.value.in_short() and '4 more errors' in found.value.in_short()

def test_the_same_fault_in_many_files_is_many_faults(clip, world):
    for t in (2, 9, 11): redo(label, t, lambda x: at(x, 255))(clip, world)
    assert [Path(f.file).name for f in validate(clip)]==['000002.png','000009.png','000011.png']

def test_a_file_that_may_not_be_read_is_named(clip, monkeypatch):
    read = Path.read_bytes
    def refused(path):
        if path.name=='000003.png': raise PermissionError(13, 'Permission denied')
        return read(path)
    monkeypatch.setattr(Path, 'read_bytes', refused)
    assert [(f.kind, Path(f.file).parent.name, f.value) for f in validate(clip)]==[('not_readable', 'frames', 'Permission denied'), ('not_readable', 'labels', 'Permission denied')]

@pytest.mark.parametrize('make,kind,says', [(lambda p: None, 'no_folder', 'no such folder'), (lambda p: p.write_text('x'), 'no_folder', 'this is a file'),
                                            (lambda p: p.mkdir(), 'no_frames', 'nor in one of its folders'), (lambda p: (p/'labels').mkdir(parents=True), 'no_frames', 'neither')])
def test_what_is_no_data_says_where_it_looked(tmp_path, make, kind, says):
    make(tmp_path/'here')
    fault, = validate(tmp_path/'here')
    assert fault.kind==kind and fault.file==str(tmp_path/'here') and says in fault.value

def test_a_declared_255_is_no_fault(clip, world):
    BAD['cityscapes'][0](clip, world)
    notes(clip, ignore=255)
    assert validate(clip)==[] and load_data(clip).labels[4,:,5,9].sum()==0

def test_another_declared_id_does_not_let_255_through(clip, world):
    BAD['cityscapes'][0](clip, world)
    notes(clip, ignore=7)
    assert kinds(validate(clip))=={'label_255'}

def test_pictures_without_a_layout_can_be_looked_at_too(good, world, tmp_path):
    assert validate(good/'frames')==[] and validate(good/'frames', good/'labels')==[]
    assert kinds(validate(good/'frames', tmp_path/'none'))=={'no_folder'}
    png(tmp_path/'ids'/'0.png', at(world[1][0], 255))
    assert 'label_255' in kinds(validate(good/'frames', tmp_path/'ids')) and 'label_255' not in kinds(validate(good/'frames', tmp_path/'ids', ignore=255))

# ---- names

@pytest.mark.parametrize('names', [['1.png','2.png','10.png'], ['a2.png','a10.png','a100.png'], ['v1_f9.png','v1_f10.png'], ['x_000000_000294_leftImg8bit.png','x_000000_000295_leftImg8bit.png']])
def test_files_come_in_the_order_of_their_numbers(tmp_path, names):
    for name in random.Random(0).sample(names, len(names)): (tmp_path/name).touch()
    assert [p.name for p in picture_files(tmp_path)[0]]==names

@pytest.mark.parametrize('names,wanted', [(['a_000000_000294_leftImg8bit.png','a_000000_000296_leftImg8bit.png'], [294,296]), (['3.png'], [3]), (['7_a.png','8_a.png'], [7,8]),
                                          (['s1_1.png','s1_2.png'], [1,2]), (['f1.png','f2.png','cover.png'], [1,2])])
def test_the_number_that_changes_counts_the_frames(names, wanted):
    assert list(frame_numbers([Path(n) for n in names]).values())==wanted

@pytest.mark.parametrize('numbers,holes', [([0,1,2], []), ([5], []), ([], []), ([0,1,3], [(2,2)]), ([3,0,1,7], [(2,2),(4,6)]), ([0,20,40,80], [(60,60)]), ([1,1,2], []), ([2,4,6], [])])
def test_holes_in_a_count(numbers, holes): assert missing_numbers(numbers)==holes

def test_labels_find_their_frames_by_number_and_not_by_place(clip, world):
    drop(label, 4)(clip, world), drop(frame, 12)(clip, world)
    said = {(f.kind, Path(f.file).parent.name, Path(f.file).name) for f in validate(clip)}
    assert ('no_partner','frames','000004.png') in said and ('no_partner','labels','000012.png') in said and not any(k=='unequal' for k,*_ in said)

# ---- labels

@pytest.mark.parametrize('used,ignore,wanted', [([0,1,2], None, (3,[])), ([0,2,5], None, (6,[1,3,4])), ([0,1,255], 255, (2,[])), ([0,1,255], None, (2,[])), ([1], None, (2,[0])), ([0,1,9], 9, (2,[])), ([], None, (0,[]))])
def test_the_number_of_labels_is_the_highest_id_plus_one(used, ignore, wanted):
    counts = np.zeros(256, int)
    counts[used] = 3
    assert count_labels(counts, ignore)==wanted

def test_colours_become_ids_exactly():
    picture = np.array([[[0,0,0],[128,64,128],[128,64,129]]], np.uint8)
    ids, unknown = colour_ids(picture, {(0,0,0): 3, (128,64,128): 1})
    assert ids[0,:2].tolist()==[3,1] and unknown.tolist()==[[False,False,True]]

def test_colours_are_counted_over_all_labels_dark_first(tmp_path):
    for t,colours in enumerate(([(9,0,0),(0,0,1)], [(0,0,1),(0,200,0)])): png(tmp_path/f'{t}.png', np.array([colours], np.uint8))
    assert count_colours(tmp_path)=={(0,0,1): 0, (0,200,0): 1, (9,0,0): 2}

def test_too_many_colours_are_refused_by_name(tmp_path, world):
    png(tmp_path/'0.png', world[0][0])
    with pytest.raises(DataError) as found: count_colours(tmp_path)
    assert kinds(found.value.faults)=={'colours_many'} and '0.png' in str(found.value)

def pair(p, world, change=lambda x: x, save=png): # pictures and labels as a user has them
    for t in range(T): png(p/'pictures'/f'{t}.png', world[0][t]), save(p/'ids'/f'{t}.png', change(world[1][t]))
    return p/'pictures', p/'ids'

def in_palette(path, pixels):
    path.parent.mkdir(exist_ok=True)
    img = Image.fromarray(pixels).convert('P')
    img.putpalette(coloured(np.arange(8)).ravel().tolist())
    img.save(path)

def same_partition(a, b): # up to the numbers that the classes have
    return len(np.unique(np.stack([a.ravel(), b.ravel()]), axis=1).T)==len(np.unique(a))==len(np.unique(b))

@pytest.mark.parametrize('how,change,save', [(None, lambda x: x, png), ('index', lambda x: x, in_palette), ({tuple(c): k for k,c in enumerate(coloured(np.arange(8)).tolist())}, coloured, png)])
def test_ids_arrive_as_they_were_meant(tmp_path, world, how, change, save):
    dataset_from_video(pair(tmp_path, world, change, save), tmp_path/'out', colours=how, say=quiet)
    assert (load_data(tmp_path/'out').ids[:,0].numpy()==world[1]).all()

@pytest.mark.parametrize('save', [png, in_palette])
def test_counted_colours_divide_the_picture_in_the_same_way(tmp_path, world, save):
    dataset_from_video(pair(tmp_path, world, coloured if save is png else lambda x: x, save), tmp_path/'out', colours='count', say=quiet)
    loaded = load_data(tmp_path/'out')
    assert same_partition(loaded.ids[:,0].numpy(), world[1]) and loaded.labels.shape[1]==8
    assert json.loads((tmp_path/'out'/'data.json').read_text())['colours']['128,64,128'] in range(8)

@pytest.mark.parametrize('change,save,kind', [(coloured, png, 'label_rgb'), (lambda x: x, in_palette, 'label_palette')])
def test_colours_are_never_guessed(tmp_path, world, change, save, kind):
    with pytest.raises(DataError) as found: dataset_from_video(pair(tmp_path, world, change, save), tmp_path/'out', say=quiet)
    assert kinds(found.value.faults)=={kind} and len(found.value.faults)==T and not (tmp_path/'out').exists()

def test_a_colour_that_nobody_knows_is_named_with_its_place(tmp_path, world):
    with pytest.raises(DataError) as found: dataset_from_video(pair(tmp_path, world, lambda x: at(coloured(x), (1,2,3))), tmp_path/'out', colours={tuple(c): k for k,c in enumerate(coloured(np.arange(8)).tolist())}, say=quiet)
    assert kinds(found.value.faults)=={'colour_unknown'} and '(1, 2, 3) in 1 pixel, the first at x=9, y=5' in str(found.value)

# ---- cuts

def test_a_cut_is_found_where_it_is_and_nowhere_else():
    for a,b in ((5,6), (7,10)): # of other palettes, and of one
        frames = torch.cat([World(a, size=(64,64)).clip(20).frames, World(b, size=(64,64)).clip(15).frames])
        assert find_cuts(frames)==[20]==find_cuts(to_uint8(frames)) and cut_scores(frames).shape==(35,)

@pytest.mark.parametrize('trick', ['flash','two_flashes','lamp','subtitle','fast','noise','fade','still'])
def test_what_is_no_cut_is_none(trick):
    f = World(6, size=(64,64)).clip(96 if trick=='fast' else 24).frames.clone()
    if trick in ('flash','two_flashes'): f[12] = f[12]*.3 + .7
    if trick=='two_flashes': f[17] = 1
    if trick=='lamp': f[12:] = f[12:]*.6 + .35
    if trick=='subtitle': f[12:,:,50:60,8:56] = 1
    if trick=='fast': f = f[::4]
    if trick=='noise': f = (f + .1*torch.randn(f.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    if trick=='fade': f = (f+1)*torch.linspace(1, 0, 24).view(-1,1,1,1) - 1
    if trick=='still': f = f[:1].expand(24,-1,-1,-1)
    assert find_cuts(f)==[]

@pytest.mark.parametrize('seed', [0,3,6])
def test_a_flash_hardly_stands_out(seed):
    "Its two sides would hide each other from the threshold, but not from this one"
    f = World(seed, size=(64,64)).clip(24).frames.clone()
    f[12] = (f[12] + 1.2).clamp(max=1)
    assert cut_scores(f)[12:14].max()<.5*CUT

def test_cuts_of_real_films_are_those_seen_by_eye(real_clips):
    for name,cuts in (('bikes.mp4', [30,76]), ('carphone_pristine.mp4', [])):
        scores = cut_scores(read_video(real_clips/name, stop=100, max_side=128).frames)
        assert np.flatnonzero(scores>=CUT).tolist()==cuts and max(np.delete(scores, cuts))<.75*CUT

@pytest.mark.parametrize('n', [0,1,2,3])
def test_a_film_of_hardly_any_frames_has_no_cut(n): assert cut_scores(np.zeros((n,40,40,3), np.uint8)).tolist()==[0]*n

def test_odd_sizes_have_cuts_too():
    frames = torch.cat([World(s, size=(37,61)).clip(12).frames for s in (0,1)])
    assert find_cuts(frames)==[12]

# ---- one call

@pytest.mark.parametrize('size', [(40,48), (33,47), (32,80)])
def test_a_video_comes_back_to_the_bit(tmp_path, size):
    video = film(tmp_path/'a.mp4', 0, size=size)
    made = dataset_from_video(video, tmp_path/'out', say=quiet)
    loaded, read = load_data(tmp_path/'out'), read_video(video)
    assert made==[tmp_path/'out'] and torch.equal(loaded.frames, read.frames) and loaded.size==size and loaded.fps==12 and loaded.name=='a' and loaded.labels is None
    about = json.loads((tmp_path/'out'/'data.json').read_text())
    assert about['files'][3]=='a.mp4 frame 3' and (about['frames'], about['width'], about['height'])==(20, size[1], size[0]) and len(about['sha256'])==64 and validate(tmp_path/'out')==[]

def test_a_video_is_shrunk_as_read_video_does(tmp_path):
    video = film(tmp_path/'a.mp4', 0, size=(80,100))
    dataset_from_video(video, tmp_path/'out', max_side=50, say=quiet)
    assert torch.equal(load_data(tmp_path/'out').frames, read_video(video, max_side=50).frames)

def test_pictures_and_labels_come_back_to_the_bit(tmp_path, world):
    dataset_from_video(pair(tmp_path, world), tmp_path/'out', names=list('abcdefgh'), say=quiet)
    loaded = load_data(tmp_path/'out')
    assert (to_uint8(loaded.frames)==world[0]).all() and (loaded.ids[:,0].numpy()==world[1]).all() and loaded.labels.shape==(T,8,H,W)
    assert torch.equal(loaded.labels.argmax(1), loaded.ids[:,0]) and torch.equal(loaded.labels.sum(1), torch.ones(T,H,W))
    assert [p.name for p in sorted((tmp_path/'out'/'frames').iterdir())]==[f'{t:06d}.png' for t in range(T)]
    assert json.loads((tmp_path/'out'/'data.json').read_text())['files'][10]=='10.png'

def test_a_folder_in_the_layout_is_a_source_too(tmp_path, good, world):
    dataset_from_video(good, tmp_path/'out', say=quiet)
    assert (load_data(tmp_path/'out').ids[:,0].numpy()==world[1]).all() and load_data(tmp_path/'out').name=='clip'

def test_what_data_says_of_itself_is_kept(tmp_path, clip, world):
    BAD['cityscapes'][0](clip, world)
    notes(clip, fps=12, ignore=255, labels=9, names=list('abcdefghi'))
    made, = dataset_from_video(clip, tmp_path/'out', say=quiet)
    about = json.loads((made/'data.json').read_text())
    assert [about[k] for k in ('fps','ignore','labels','names','name','frames')]==[12, 255, 9, list('abcdefghi'), 'clip', T]
    made, = dataset_from_video(clip, tmp_path/'again', fps=50, say=quiet) # what is said now counts
    assert load_data(made).fps==50

def test_jumps_that_are_meant_stay_meant(tmp_path, clip, world):
    BAD['another_shot'][0](clip, world), notes(clip, cuts='keep')
    made, = dataset_from_video(clip, tmp_path/'out', say=quiet)
    assert validate(made)==[] and len(load_data(made))==T

def test_notes_that_can_not_be_meant_are_refused(tmp_path, clip):
    notes(clip, fps='fast')
    with pytest.raises(DataError, match="fps='fast'"): dataset_from_video(clip, tmp_path/'out', say=quiet)

@pytest.mark.parametrize('max_side', [24, 37])
def test_labels_shrink_without_new_ids(tmp_path, world, max_side):
    made = dataset_from_video(pair(tmp_path, world, lambda x: x*30), tmp_path/'out', max_side=40, say=quiet)
    assert set(np.unique(load_data(made[0]).ids))<=set(range(0, 211, 30))
    loaded = load_data(made[0], stop=5, max_side=max_side)
    assert set(np.unique(loaded.ids))<=set(range(0, 211, 30)) and loaded.frames.shape[0]==5 and max(loaded.size)==max_side and loaded.labels.shape[-2:]==loaded.size

def test_a_film_is_split_at_its_cuts_and_short_shots_are_left_out(tmp_path):
    said = []
    video = write_film(tmp_path/'a.mp4', torch.cat([World(s, size=(64,64)).clip(n).frames for s,n in ((0,20),(3,25),(1,9))]), quality=10)
    made = dataset_from_video(video, tmp_path/'out', say=said.append)
    assert [p.name for p in made]==['shot-1','shot-2'] and data_folders(tmp_path/'out')==made and validate(tmp_path/'out')==[]
    assert torch.equal(torch.cat([load_data(p).frames for p in made]), read_video(video).frames[:45])
    assert said==[f'{made[0]}: 20 frames of 64x64, from frame 0 on, 25 a second; no labels', f'{made[1]}: 25 frames of 64x64, from frame 20 on, 25 a second; no labels',
                  'left out: frames 45 to 53, a shot of 9 frames']
    assert json.loads((made[1]/'data.json').read_text())['files'][0]=='a.mp4 frame 20'
    with pytest.raises(InputError, match='2 clips in the layout; name one'): load_data(tmp_path/'out')

def test_sixteen_frames_are_a_shot(tmp_path):
    made, = dataset_from_video(film(tmp_path/'a.mp4', 0, frames=16), tmp_path/'out', say=quiet)
    assert len(load_data(made))==16

def test_labels_are_split_with_their_film(tmp_path):
    a, b = (World(s, size=(64,64)).clip(20) for s in (0,1))
    for t in range(40): png(tmp_path/'p'/f'{t}.png', to_uint8((a if t<20 else b).frames)[t%20]), png(tmp_path/'l'/f'{t}.png', (a if t<20 else b).ids[t%20,0].numpy().astype(np.uint8))
    made = dataset_from_video(tmp_path/'p', tmp_path/'out', tmp_path/'l', say=quiet)
    assert torch.equal(load_data(made[1]).ids, b.ids) and torch.equal(load_data(made[1]).frames, to_float(to_uint8(b.frames)))

def test_a_cut_is_refused_or_kept_on_demand(tmp_path):
    video = film(tmp_path/'a.mp4', 0, 1)
    with pytest.raises(DataError) as found: dataset_from_video(video, tmp_path/'out', cuts='refuse', say=quiet)
    assert [(f.kind, f.file) for f in found.value.faults]==[('cut', f'{video} frame 20')] and not (tmp_path/'out').exists()
    made, = dataset_from_video(video, tmp_path/'out', cuts='keep', say=quiet)
    assert len(load_data(made))==40 and validate(made)==[]
    notes(made, cuts=None)
    assert kinds(validate(made))=={'cut'}

def test_what_can_be_repaired_is(tmp_path, clip, world):
    for name in ('grey','frame_of_a_palette','clear_glass','no_notes'): BAD[name][0](clip, world)
    assert kinds(validate(clip))<={'frame_grey','frame_palette','frame_opaque','no_notes'}!=set()
    made, = dataset_from_video(clip, tmp_path/'out', say=quiet)
    assert validate(made)==[]

def test_a_picture_that_asks_to_be_turned_is(tmp_path, world):
    for t in range(T):
        exif = Image.Exif()
        exif[0x112] = 6
        (tmp_path/'p').mkdir(exist_ok=True)
        Image.fromarray(world[0][t]).save(tmp_path/'p'/f'{t}.png', exif=exif)
    dataset_from_video(tmp_path/'p', tmp_path/'out', say=quiet)
    assert (to_uint8(load_data(tmp_path/'out').frames)==np.rot90(world[0], -1, (1,2))).all()

@pytest.mark.parametrize('what', ['fifteen','small','cameras','hole','label_lost','empty','words','torn','deep','glass','larger','still','deep_ids','drawn','ids_compressed','half_size','cityscapes','mask'])
def test_what_can_not_be_repaired_is_refused_and_nothing_is_written(tmp_path, clip, world, what):
    BAD[what][0](clip, world)
    before = content(tmp_path)
    with pytest.raises(DataError) as found: dataset_from_video(clip, tmp_path/'new'/'out', say=quiet)
    assert kinds(found.value.faults) & BAD[what][1] and content(tmp_path)==before

CALLS = dict(missing=(lambda p,v: (p/'none', p/'out'), {}, 'no such file or folder'), no_pictures=(lambda p,v: (p, p/'out'), {}, 'no_frames'), cuts=(lambda p,v: (v, p/'out'), dict(cuts='maybe'), "cuts='maybe'"),
             ignore=(lambda p,v: (v, p/'out'), dict(ignore='255'), "ignore='255'"), rate=(lambda p,v: (v, p/'out'), dict(fps=0), 'fps=0'), names=(lambda p,v: (v, p/'out'), dict(names=['sky']), "names=['sky']"),
             no_labels=(lambda p,v: (v, p/'out', p/'none'), {}, 'no_folder'), film_of_labels=(lambda p,v: (v, p/'out', v), {}, 'labels are a folder of pictures'), sound=(lambda p,v: (sound(p/'s.mp4'), p/'out'), {}, 'no video'),
             full=(lambda p,v: (v, p/'full'), {}, 'something in this folder already'), file=(lambda p,v: (v, v), {}, 'this is a file'))

@pytest.mark.parametrize('what', CALLS)
def test_a_call_that_makes_no_sense_is_an_input_error(tmp_path, what):
    video = film(tmp_path/'a.mp4', 0, frames=16)
    (tmp_path/'full').mkdir()
    (tmp_path/'full'/'mine').write_text('x')
    args, kw, says = CALLS[what]
    args = args(tmp_path, video)
    before = content(tmp_path)
    with pytest.raises(InputError) as found: dataset_from_video(*args, **kw, say=quiet)
    assert says in str(found.value) and content(tmp_path)==before

@pytest.mark.parametrize('colours', ['all', {(1,2): 0}, {(1,2,3): 256}, 7])
def test_colours_that_are_none_are_named(tmp_path, world, colours):
    with pytest.raises(InputError, match='colours='): dataset_from_video(pair(tmp_path, world), tmp_path/'out', colours=colours, say=quiet)

@pytest.mark.parametrize('count', [19, 21])
def test_labels_of_another_count_than_the_video_has_are_refused(tmp_path, world, count):
    for t in range(count): png(tmp_path/'l'/f'{t}.png', world[1][t%T])
    video = film(tmp_path/'a.mp4', 0)
    for stop in (None, 30):
        with pytest.raises(DataError) as found: dataset_from_video((video, tmp_path/'l'), tmp_path/'out', stop=stop, say=quiet)
        assert kinds(found.value.faults)=={'unequal'} and f'{count} labels for 20 frames' in str(found.value)
    assert len(load_data(dataset_from_video((video, tmp_path/'l'), tmp_path/'out', stop=17, say=quiet)[0]))==17

# ---- whole or not at all

def test_a_full_disk_leaves_nothing(tmp_path):
    video, limits = film(tmp_path/'a.mp4', 0, 1), resource.getrlimit(resource.RLIMIT_FSIZE)
    before = content(tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, limits[1]))
    try:
        with pytest.raises(InputError, match='can\'t be written'): dataset_from_video(video, tmp_path/'new'/'out', say=quiet)
    finally: resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert content(tmp_path)==before

def test_a_killed_write_leaves_no_data_and_the_next_one_ends_well(tmp_path, monkeypatch):
    class Crash(BaseException): "The power goes"
    video, save, count = film(tmp_path/'a.mp4', 0), data._save_png, iter(range(99))
    def dies(*args):
        if next(count)==7: os._exit(9)
        save(*args)
    if (child := os.fork())==0:
        data._save_png = dies
        dataset_from_video(video, tmp_path/'out', say=quiet)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])==9 and not (tmp_path/'out').exists() and (tmp_path/'.out.part').exists()
    dataset_from_video(video, tmp_path/'out', say=quiet)
    assert validate(tmp_path/'out')==[] and not (tmp_path/'.out.part').exists()

def test_an_empty_folder_that_is_there_is_filled(tmp_path):
    (tmp_path/'out').mkdir()
    dataset_from_video(film(tmp_path/'a.mp4', 0), tmp_path/'out', say=quiet)
    assert validate(tmp_path/'out')==[] and {p.name for p in (tmp_path/'out').iterdir()}=={'frames','data.json'}

# ---- reading

def test_data_with_errors_is_not_loaded(clip, world):
    BAD['cityscapes'][0](clip, world)
    with pytest.raises(DataError, match='label_255'): load_data(clip)

def test_warnings_do_not_stop_anybody(clip, world):
    for name in ('no_notes','compressed'): BAD[name][0](clip, world)
    loaded = load_data(clip)
    assert loaded.fps==25 and loaded.labels.shape==(T,8,H,W)

def test_a_declared_number_of_labels_counts_channels(clip):
    notes(clip, labels=12)
    assert load_data(clip).labels.shape[1]==12

def test_the_opening_of_a_clip_has_all_its_classes(clip, world):
    ids = world[1][T-1].copy()
    ids[:9,:9] = 11  # seen in the last frame only
    png(label(clip, T-1), ids), notes(clip, labels=None)
    assert load_data(clip, stop=2).labels.shape[:2]==(2,12)

def test_the_layout_names_what_is_written(tmp_path, capsys):
    print_layout()
    said = capsys.readouterr().out
    made, = dataset_from_video(film(tmp_path/'a.mp4', 0), tmp_path/'out', say=quiet)
    for word in ('frames/','labels/','data.json','000000.png'): assert word in said
    for key in ('fps','frames','labels','ignore','names','files','sha256','cuts'): assert f'"{key}"' in said and key in json.loads((made/'data.json').read_text())

def test_looking_takes_seconds_for_a_thousand_frames(tmp_path):
    clip = World(2).clip(40)
    for t in range(40): png(frame(tmp_path, t), to_uint8(clip.frames)[t]), png(label(tmp_path, t), clip.ids[t,0].numpy().astype(np.uint8))
    validate(tmp_path)
    began = time.process_time()
    validate(tmp_path)
    assert (time.process_time() - began)/40*1000<20

# ---- pictures

def test_a_drawing_is_shown_in_grey_and_classes_in_colours_that_differ():
    drawing = torch.rand(2,1,4,5)
    assert torch.equal(label_picture(drawing), drawing.expand(-1,3,-1,-1)*2 - 1)
    ids = torch.arange(12).view(1,1,3,4)
    shown = label_picture((ids==torch.arange(11).view(1,11,1,1)).float())
    assert shown.shape==(1,3,3,4) and shown.abs().max()<=1 and (shown[0,:,2,3]==-1).all()
    assert torch.pdist(shown[0].flatten(1).T[:11]).min()>.1

# ---- the command line

def test_validate_prints_a_line_for_each_fault(v2v, clip, world, good):
    assert v2v('validate', good)==(0, f'{good}: 0 errors, 0 warnings\n', '')
    BAD['cityscapes'][0](clip, world), BAD['black'][0](clip, world)
    code, out, err = v2v('validate', clip)
    assert code==2 and not err and out.splitlines()==[*map(str, validate(clip)), f'{clip}: 1 errors, 1 warnings']

def test_warnings_alone_end_with_zero(v2v, clip, world):
    BAD['black'][0](clip, world)
    code, out, _ = v2v('validate', clip)
    assert code==0 and 'frame_blank' in out

def test_validate_takes_bare_pictures(v2v, clip, world):
    BAD['cityscapes'][0](clip, world)
    words = 'validate', clip/'frames', '--labels', clip/'labels'
    assert v2v(*words)[0]==2 and v2v(*words, '--ignore', 255)[0]==0

def test_validate_says_that_there_is_no_folder(v2v, tmp_path):
    code, out, _ = v2v('validate', tmp_path/'none')
    assert code==2 and f'{tmp_path}/none: no such folder' in out

def test_dataset_makes_what_prepare_takes(v2v, tmp_path, world):
    pictures, ids = pair(tmp_path, world, lambda x: at(coloured(x), (255,255,255)))
    code, out, err = v2v('dataset', pictures, '--labels', ids, '--colours', 'count', '--out', tmp_path/'data')
    assert code==0 and not err and f'v2v prepare {tmp_path}/data' in out and '9 labels' in out
    assert v2v('validate', tmp_path/'data')[0]==0
    code, out, _ = v2v('prepare', tmp_path/'data', '--out', tmp_path/'clip')
    assert code==0 and f'labels ({T}, 9, {H}, {W})' in out

@pytest.mark.parametrize('words,says', [((), 'label_255'), (('--ignore','300'), 'ignore=300'), (('--cuts','x'), "cuts='x'"), (('--colours','x'), "colours='x'")])
def test_dataset_that_fails_is_one_line(v2v, tmp_path, world, words, says):
    pictures, ids = pair(tmp_path, world, lambda x: at(x, 255))
    before = content(tmp_path)
    one_line(v2v('dataset', pictures, '--labels', ids, '--out', tmp_path/'data', *words), says)
    assert content(tmp_path)==before

def test_prepare_of_data_with_errors_is_one_line(v2v, clip, world, tmp_path):
    redo(label, 4, lambda x: at(x, 255))(clip, world), redo(label, 5, lambda x: at(x, 255))(clip, world)
    before = content(tmp_path)
    one_line(v2v('prepare', clip, '--out', tmp_path/'out'), f'{clip}/labels/000004.png', 'ignore=255', '1 more error: `v2v validate` lists them')
    assert content(tmp_path)==before

def test_a_video_with_errors_is_one_line_that_says_how_to_see_all(v2v, tmp_path): # `validate` takes folders only
    video = film(tmp_path/'a.mp4', 0, 1, 2)
    result = v2v('dataset', video, '--cuts', 'refuse', '--out', tmp_path/'data')
    one_line(result, f'{video} frame 20', '1 more error: the same with --debug lists them')
    assert 'validate' not in result[2] and not (tmp_path/'data').exists()

def test_own_labels_are_taken_and_edges_on_demand(v2v, good, tmp_path):
    assert 'labels (18, 8, 40, 48)' in v2v('prepare', good, '--out', tmp_path/'own')[1]
    assert 'labels (18, 1, 40, 48)' in v2v('prepare', good, '--out', tmp_path/'edges', '--labels', 'edges')[1]
    assert [json.loads((tmp_path/k/'clip.json').read_text())['labels'] for k in ('own','edges')]==['own','edges']

@pytest.mark.parametrize('prepared', [True,False])
def test_a_folder_of_data_is_trained_on(v2v, good, tmp_path, monkeypatch, prepared):
    from v2v_tutorial.vid2vid.system import Vid2VidConfig
    small = Vid2VidConfig.__init__
    monkeypatch.setattr(Vid2VidConfig, '__init__', lambda self, **kw: small(self, **{**dict(width=16, critic_width=4, perceptual=0.), **kw}))
    for words in (('prepare', good, '--out', tmp_path/'clip'), ('train', tmp_path/'clip' if prepared else good, '--out', tmp_path/'run', '--steps', 1, '--device', 'cpu'), ('synthesize', tmp_path/'run', '--out', tmp_path/'film')):
        code, _, err = v2v(*words)
        assert code==0, err
    shown = read_video(tmp_path/'film'/'film.mp4').frames
    assert shown.shape[-1]==3*W and shown[0,:,:,:W].std()>.2  # the label is all eight classes, in colours

def test_two_folders_of_data_are_two_sources(good, clip, world):
    from v2v_tutorial.pipeline import _source
    redo(label, 4, lambda x: at(x, 1))(clip, world)
    assert _source(good, 'own', 9, 9)['content']!=_source(clip, 'own', 9, 9)['content']
