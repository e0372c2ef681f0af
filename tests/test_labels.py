"Edges: thin, in their place, relative to the frame's own slopes, and behind one interface"
import numpy as np, pytest, torch
from torch.testing import assert_close
from v2v_tutorial.clips import labels
from v2v_tutorial.clips.clip import Clip, InputError, read_video, to_float
from v2v_tutorial.clips.labels import LABELS, edges, extract_labels

def halves(h=20, w=30, at=12, left=-.8, right=.8, rows=False): # (1,3,H,W): one side dark, the other bright
    frame = torch.full((1,3,h,w), float(left))
    if rows: frame[...,at:,:] = right
    else: frame[...,at:] = right
    return frame

@pytest.fixture(scope='module')
def street(real_clips): return read_video(real_clips/'bikes.mp4', stop=4, max_side=320)

@pytest.mark.parametrize('rows', [False,True])
def test_line_is_thin_and_where_brightness_changes(rows):
    drawn = edges(halves(rows=rows))[0,0]
    if rows: drawn = drawn.T
    at = drawn.nonzero()[:,1]
    assert set(at.tolist())<={11,12} and (drawn.sum(1)<=1).all() and drawn.sum()>=.7*len(drawn)

@pytest.mark.parametrize('h,w', [(20,30), (30,20), (17,33), (5,5), (1,9), (9,1), (1,1)])
def test_any_size_and_length(h, w):
    drawn = edges(torch.rand(3,3,h,w)*2-1)
    assert drawn.shape==(3,1,h,w) and drawn.dtype==torch.float32

def test_labels_are_zero_or_one(street):
    assert edges(street.frames).unique().tolist()==[0,1]

def test_real_street_has_edges_but_not_everywhere(street):
    assert .04<edges(street.frames).mean()<.3

def test_lines_of_a_real_frame_are_thin(street):
    "Of two neighbours across a line only one is drawn: full blocks of 2x2 are rare"
    drawn = edges(street.frames)
    blocks = drawn[...,1:,1:]*drawn[...,:-1,1:]*drawn[...,1:,:-1]*drawn[...,:-1,:-1]
    assert blocks.mean()<.02*drawn.mean()

@pytest.mark.parametrize('light', [.7, .5])
def test_less_light_gives_nearly_the_same_drawing(street, light):
    bright,dark = edges(street.frames[:1]),edges((street.frames[:1]+1)*light-1)
    assert (bright*dark).sum()>.7*bright.sum() and .75*bright.sum()<dark.sum()<1.25*bright.sum()

def test_more_light_gives_nearly_the_same_number_of_lines(street):
    dim = (street.frames[:1]+1)*.4-1
    assert edges(dim).mean()==pytest.approx(edges(street.frames[:1]).mean().item(), rel=.25)

@pytest.mark.parametrize('level', [-1, -.3, 0, 1])
def test_blank_frame_has_no_lines(level): assert not edges(torch.full((2,3,16,16), float(level))).any()

def test_faint_noise_in_a_blank_frame_is_not_drawn():
    noise = torch.from_numpy(np.random.default_rng(0).integers(127, 129, (2,32,32,3), dtype=np.uint8))
    assert not edges(to_float(noise)).any()

def test_higher_quantile_draws_fewer_lines(street):
    counts = [edges(street.frames[:1], q).sum().item() for q in (.6,.82,.95,.99)]
    assert counts==sorted(counts, reverse=True) and counts[0]>2*counts[-1]>0

def test_each_frame_has_its_own_threshold(street):
    dark = (street.frames[:1]+1)*.2-1
    assert_close(edges(torch.cat([street.frames[:1], dark]))[1:], edges(dark), atol=0, rtol=0)

def test_brightness_is_that_of_red_green_and_blue():
    "Pure red is as bright as a grey of 76, so there is no line between them; with red and blue exchanged it is one of 29"
    picture = np.full((1,20,30,3), 76, np.uint8)
    picture[:,:,15:] = 255,0,0
    assert not edges(to_float(picture)).any()
    assert edges(to_float(picture[...,::-1].copy())).any()

def test_line_touches_a_strong_one_and_goes_on():
    "Two thresholds: a line that fades along its way is drawn as long as it is half as steep as the threshold"
    frame,fade = torch.full((1,3,64,64), -1.),torch.linspace(1, .55, 64)
    frame[...,32:] = fade.view(64,1)*1.2-1
    drawn = edges(frame, quantile=.985)[0,0]
    assert (drawn.sum(1)>0).float().mean()>.9

def full_clip(): return Clip(torch.rand(3,3,16,20)*2-1, flow=torch.zeros(3,2,16,20), fps=12., name='here')

def test_clip_gets_its_labels_and_keeps_the_rest():
    clip = full_clip()
    got = extract_labels(clip)
    assert_close(got.labels, edges(clip.frames), atol=0, rtol=0)
    assert got.frames is clip.frames and got.flow is clip.flow and (got.fps, got.name)==(12., 'here')
    assert clip.labels is None  # the clip that was given is left alone

def test_new_kind_is_one_entry(monkeypatch):
    monkeypatch.setitem(LABELS, 'grey', lambda frames: frames.mean(1, keepdim=True))
    clip = full_clip()
    assert_close(extract_labels(clip, 'grey').labels, clip.frames.mean(1, keepdim=True))

def test_labels_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setitem(LABELS, 'half', lambda frames: frames[...,::2,::2])
    with pytest.raises(InputError, match='labels has shape'): extract_labels(full_clip(), 'half')

@pytest.mark.parametrize('kind', ['poses', '', 'EDGES'])
def test_unknown_kind_is_named_with_those_there_are(kind):
    with pytest.raises(InputError, match=f"labels='{kind}': .*edges"): extract_labels(full_clip(), kind)

def test_same_frames_give_the_same_labels(street):
    assert_close(edges(street.frames[:2]), edges(street.frames[:2].clone()), atol=0, rtol=0)
