"Pictures and films that fit into a page, say what they show, and show the right frames"
import base64, re
from dataclasses import dataclass
import cv2, numpy as np, pytest, torch
from torch.testing import assert_close
from v2v_tutorial.clips.clip import InputError, read_video, to_uint8
from v2v_tutorial.drawing import (COLOURS, DASHES, VISION, as_seen, contact_sheet, encode_webp, film_bytes, flow_picture, least_difference, new_plot,
                                  show_film, show_plot, show_steps, show_strip, show_table, side_by_side, step_parts, step_picture, write_webp_film)

def greys(t=10, h=6, w=8): return torch.linspace(-1, 1, t).view(t,1,1,1).expand(t,3,h,w) # frame k is one grey, brighter than frame k-1
def noise(t, h, w): return torch.rand((t,3,h,w), generator=torch.Generator().manual_seed(0))*2 - 1
def embedded(page, kind): return [base64.b64decode(d) for d in re.findall(rf'data:{kind};base64,([A-Za-z0-9+/=]+)"', page.data)]
def decoded(data): return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[...,::-1]

# ---- sheets

@pytest.mark.parametrize('t,n,want', [(10,4,[0,3,6,9]), (10,10,list(range(10))), (3,8,[0,1,2]), (1,8,[0]), (10,1,[0]), (5,2,[0,4])])
def test_moments_are_spread_from_first_to_last(t, n, want):
    frames = greys(t)
    sheet = contact_sheet(frames, n)
    assert [sheet[0,k*10,0] for k in range(len(want))]==[to_uint8(frames)[k,0,0,0] for k in want]
    assert sheet.shape==(6, len(want)*10-2, 3)

@pytest.mark.parametrize('h,w', [(6,8), (5,7), (1,1), (9,4)])
@pytest.mark.parametrize('rows', [1,3])
def test_every_picture_is_in_its_place(h, w, rows):
    clips = [noise(4, h, w).roll(k, 0) for k in range(rows)]
    sheet = contact_sheet(clips, n=4)
    assert sheet.shape==(rows*(h+2)-2, 4*(w+2)-2, 3)
    for r in range(rows):
        for c in range(4): assert (sheet[r*(h+2):,c*(w+2):][:h,:w]==to_uint8(clips[r])[c]).all()

def test_pictures_are_parted_by_white():
    sheet = contact_sheet([greys(3)*0-1]*2, n=3)
    assert (sheet[:,8:10]==255).all() and (sheet[6:8]==255).all() and (sheet[:6,:8]==0).all()

def test_rows_show_the_same_moments():
    sheet = contact_sheet([greys(10), -greys(10)], n=3)
    assert sheet[0,:,0].tolist()[:8]==[0]*8 and (sheet[0,[0,10,20]].astype(int)+sheet[8,[0,10,20]]==255).all()

def test_titles_stand_above():
    plain,titled = contact_sheet(noise(3,20,40), 3),contact_sheet(noise(3,20,40), 3, titles=['one','two','three'])
    assert titled.shape[0]==plain.shape[0]+16 and (titled[16:]==plain).all() and all((titled[:16,k*42:(k+1)*42]<200).any() for k in range(3))

def test_names_stand_to_the_left_of_their_rows():
    rows = [noise(3,20,40), -noise(3,20,40)]
    plain, named = contact_sheet(rows, 3, ['one','two','three']), contact_sheet(rows, 3, ['one','two','three'], names=['up','a longer name'])
    left = named.shape[1]-plain.shape[1]
    ink = lambda r: np.flatnonzero((named[16+r*22:16+r*22+20,:left]<200).any((0, 2)))
    assert (named[:,left:]==plain).all() and (named[:16,:left]==255).all() and ink(0).max()<ink(1).max()<left-2

def test_a_name_is_as_high_as_the_middle_of_its_row():
    named = contact_sheet([noise(2,61,8)]*2, 2, names=['x','x'])
    ink = np.flatnonzero((named[:,:8]<200).any((1, 2)))
    assert abs(ink[ink<61].mean()-30)<3 and abs(ink[ink>63].mean()-63-30)<3

def test_as_many_names_as_rows():
    with pytest.raises(InputError, match='1 names for 2 rows'): contact_sheet([greys()]*2, names=['only one'])

# ---- size

@pytest.mark.parametrize('h,w', [(64,64), (150,300), (15,701)])
def test_picture_fits_into_its_limit(h, w):
    data = encode_webp(to_uint8(noise(1,h,w))[0])
    assert len(data)<=60_000 and decoded(data).shape==(h,w,3)

def test_smaller_limit_costs_quality():
    picture = to_uint8(noise(1,64,96))[0]
    gap = [np.abs(decoded(encode_webp(picture, n)).astype(int)-picture).mean() for n in (60_000,5_000)]
    assert len(encode_webp(picture, 5_000))<=5_000 and gap[0]<gap[1]

def test_picture_that_can_not_fit_is_refused():
    with pytest.raises(InputError, match='64x48'): encode_webp(to_uint8(noise(1,48,64))[0], 100)

def test_red_stays_red():
    red = np.zeros((16,16,3), np.uint8)
    red[...,0] = 255
    got = decoded(encode_webp(red))[8,8]
    assert got[0]>230 and got[1]<30 and got[2]<30

# ---- what is said

@pytest.mark.parametrize('show', [lambda alt: show_strip(greys(), alt=alt), lambda alt: show_film(greys(4,16,16), alt=alt),
                                  lambda alt: show_steps(step(), alt=alt)])
def test_picture_without_words_is_refused(show):
    with pytest.raises(InputError, match='alt'): show('')

def test_words_are_escaped():
    page = show_strip(greys(), alt='a "ball" <moves> & stops').data
    assert 'alt="a &quot;ball&quot; &lt;moves&gt; &amp; stops"' in page and page.count('<')==1

def test_strip_is_one_picture_of_the_frames():
    page = show_strip(noise(9,32,32), alt='noise', n=4)
    data, = embedded(page, 'image/webp')
    assert len(data)<=60_000 and decoded(data).shape==(32,4*34-2,3)
    assert np.abs(decoded(data)[:,:32].astype(int).mean()-to_uint8(noise(9,32,32))[0].mean())<6

def test_width_is_asked_for():
    assert 'width:300px' in show_strip(greys(), alt='x', width=300).data and 'width:N' not in show_strip(greys(), alt='x').data

def test_film_plays_and_is_followed_by_its_strip(tmp_path):
    frames = noise(12,64,48)*.2 + greys(12,64,48)*.7
    page = show_film(frames, fps=10, alt='it grows brighter', n=4)
    (tmp_path/'a.mp4').write_bytes(embedded(page, 'video/mp4')[0])
    clip = read_video(tmp_path/'a.mp4')
    assert (len(clip), clip.size, clip.fps)==(12,(64,48),10) and (clip.frames-frames).abs().mean()<.08
    assert page.data.index('<video')<page.data.index('<img') and len(embedded(page, 'image/webp'))==2  # the poster and the strip
    assert 'aria-label="it grows brighter"' in page.data and 'muted' in page.data and 'playsinline' in page.data

def test_film_fits_into_its_limit():
    assert len(film_bytes(noise(30,64,64), limit=60_000))<=60_000<len(film_bytes(noise(30,64,64)))<=200_000

def test_film_that_can_not_fit_is_refused():
    with pytest.raises(InputError, match='30 frames'): film_bytes(noise(30,64,64), limit=2000)

# ---- side by side

def test_clips_stand_beside_each_other():
    a,b = noise(3,4,5),noise(3,4,5).flip(0)
    joined = side_by_side(a, b)
    assert joined.shape==(3,3,4,10)
    assert_close(joined[...,:5], a)
    assert_close(joined[...,5:], b)

def test_one_channel_is_drawn_in_grey():
    label = noise(3,4,5)[:,:1]
    joined = side_by_side(label, noise(3,4,5))
    for c in range(3): assert_close(joined[:,c,:,:5], label[:,0])

# ---- flow

def moved(x, y, h=4, w=6): return -torch.tensor([x,y]).float().view(2,1,1).expand(2,h,w) # backward flow of things that went by (x,y)

@pytest.mark.parametrize('x,y,colour', [(1,0,(1,-1,-1)), (.5,.75**.5,(1,1,-1)), (-1,0,(-1,1,1)), (.5,-.75**.5,(1,-1,1))])
def test_colour_is_where_things_went(x, y, colour):
    "Right is red, left is cyan; 60 degrees downwards is yellow, 60 upwards magenta"
    assert_close(flow_picture(moved(x, y))[:,1,1], torch.tensor(colour).float(), atol=.02, rtol=0)

def test_what_stands_still_is_white(): assert (flow_picture(torch.zeros(2,4,6))==1).all()

def test_speed_is_strength():
    flow = moved(1,0)*torch.linspace(0, 4, 6)
    green = flow_picture(flow)[1,0]
    assert_close(green, 1-2*torch.linspace(0, 1, 6), atol=.02, rtol=0)
    assert_close(flow_picture(flow, scale=8)[1,0], 1-torch.linspace(0, 1, 6), atol=.02, rtol=0)
    assert_close(flow_picture(flow, scale=2)[1,0,3:], -torch.ones(3), atol=.02, rtol=0)  # faster than the scale is full colour

@pytest.mark.parametrize('h,w', [(4,6), (7,3), (1,1)])
def test_flow_becomes_a_picture(h, w):
    picture = flow_picture(torch.randn(2,h,w, requires_grad=True)*30)
    assert picture.shape==(3,h,w) and picture.min()>=-1 and picture.max()<=1 and not picture.requires_grad

# ---- colours for every eye

def colour(*rgb): return torch.tensor(rgb).float()[:,None,None]/127.5 - 1

@pytest.mark.parametrize('vision', VISION)
def test_greys_look_the_same_to_everybody(vision):
    grey = greys(11)
    assert_close(as_seen(grey, vision), grey, atol=.01, rtol=0)

@pytest.mark.parametrize('vision,rgb,seen', [ # 0.152286, 0.367322 and so on of full light, as sRGB levels
    ('protanopia',(255,0,0),(109,95,0)), ('deuteranopia',(255,0,0),(163,144,0)), ('deuteranopia',(0,255,0),(238,213,58)),
    ('protanopia',(0,0,255),(0,89,255)), ('tritanopia',(0,0,255),(0,107,149)), ('deuteranopia',(200,80,60),(142,129,57))])
def test_colours_as_the_paper_has_them(vision, rgb, seen):
    assert_close(as_seen(colour(*rgb), vision), colour(*seen), atol=2.1/127.5, rtol=0)

def test_batches_are_seen_frame_by_frame():
    frames = noise(3,4,5)
    assert_close(as_seen(frames, 'protanopia')[1], as_seen(frames[1], 'protanopia'))

def test_difference_is_that_of_the_worst_eyes():
    pair = lambda *cs: torch.stack([colour(*c)[:,0,0] for c in cs])
    assert least_difference(pair((255,0,0), (0,255,0)), ())==pytest.approx(170.6, abs=.5)  # Lab distance of red and green
    assert least_difference(pair((0,0,0), (255,255,255)))==pytest.approx(100, abs=.1)
    red,green = (214,39,40),(44,160,44)
    assert least_difference(pair(red, green), ('deuteranopia',))<.5*least_difference(pair(red, green), ())
    assert least_difference(pair(red, green, (0,0,255)))==least_difference(pair(red, green))

def rgb(names): return torch.tensor([[int(c[i:i+2], 16) for i in (1,3,5)] for c in names])/127.5 - 1

@pytest.mark.parametrize('n,apart', [(2,80), (3,50), (4,24), (7,15)])
def test_curves_can_be_told_apart(n, apart): assert least_difference(rgb(COLOURS[:n]))>apart

def test_usual_colours_can_not(): assert least_difference(rgb(['#1f77b4','#ff7f0e','#2ca02c','#d62728']))<8

def test_main_directions_of_flow_can_be_told_apart():
    at = torch.arange(4)*torch.pi/2
    colours = torch.stack([flow_picture(moved(float(a.cos()), float(a.sin())))[:,1,1] for a in at])
    assert least_difference(colours, ('protanopia','deuteranopia'))>30

# ---- plots

def test_curves_differ_in_colour_and_in_dashes():
    fig,ax = new_plot()
    lines = [ax.plot([0,1])[0] for _ in range(7)]
    assert [l.get_color() for l in lines]==list(COLOURS) and len({str(l._dash_pattern) for l in lines})==7==len(DASHES)
    show_plot(fig, alt='Seven equal lines')

def test_no_other_plot_changes():
    import matplotlib.pyplot as plt
    before = plt.rcParams['axes.prop_cycle']
    show_plot(new_plot()[0], alt='Empty axes')
    assert plt.rcParams['axes.prop_cycle']==before

def test_plot_says_what_it_shows_and_is_closed():
    import matplotlib.pyplot as plt
    fig,ax = new_plot((3,2))
    ax.plot([1,2])
    page = show_plot(fig, alt='The "rise"').data
    assert page.startswith('<div role="img" aria-label="The &quot;rise&quot;"><svg') and page.endswith('</svg>\n</div>') and not plt.fignum_exists(fig.number)
    with pytest.raises(InputError, match='alt'): show_plot(fig)

def test_same_plot_is_the_same_text():
    def once():
        fig,ax = new_plot()
        ax.plot([1,2])
        return show_plot(fig, alt='It rises').data
    assert once()==once()

# ---- moving pictures

@pytest.mark.parametrize('t,fps,times', [(10,10,5), (30,10,1), (80,10,1), (24,12.5,2)])
def test_moving_picture_stops_after_five_seconds(tmp_path, t, fps, times):
    from PIL import Image
    with Image.open(write_webp_film(tmp_path/'a.webp', noise(t,8,8), fps)) as p: assert (p.n_frames,p.info['loop'])==(t,times)

# ---- steps

@dataclass
class Parts:
    fake:torch.Tensor; raw:torch.Tensor=None; warped:torch.Tensor=None; flow:torch.Tensor=None; mask:torch.Tensor=None; other:object=None

def step(**kw): return Parts(noise(1,8,10), **kw)

def whole(): return step(raw=noise(1,8,10), warped=-noise(1,8,10), flow=torch.ones(1,2,8,10), mask=torch.full((1,1,8,10), .75), other='not drawn')

def test_step_shows_what_it_holds():
    assert list(step_parts(step()))==['fake'] and list(step_parts(whole()))==['fake','raw','warped','flow','mask']

def test_mask_of_one_is_white_and_of_zero_black():
    parts = step_parts(step(mask=torch.linspace(0, 1, 10).expand(1,1,8,10)))
    assert_close(parts['mask'][:,0], (torch.linspace(-1, 1, 10)).expand(3,10))

def test_parts_are_drawn_in_a_row_and_steps_below_each_other():
    sheet,titles = step_picture([whole(), whole()])
    assert titles==['fake','raw','warped','flow','mask'] and sheet.shape==(16+2*10-2, 5*12-2, 3)
    assert (sheet[16:24,:10]==to_uint8(noise(1,8,10))[0]).all() and (sheet[16:24,48:]==191).all()

def test_one_step_needs_no_list():
    assert (step_picture(whole())[0]==step_picture([whole()])[0]).all()
    assert 'alt="parts"' in show_steps(whole(), alt='parts').data

# ---- tables

def cells(table): return [[c.strip() for c in re.split(r'(?<!\\)\|', line)[1:-1]] for line in table.data.splitlines()]

def test_a_table_holds_every_cell_in_its_place_and_rounds_numbers():
    assert cells(show_table(['row','dB','frames'], [['a', 27.40751, 30], ['b', -1e-9, 0]]))==[['row','dB','frames'], ['---']*3, ['a','27.408','30'], ['b','-0.000','0']]
    assert cells(show_table(['dB'], [[27.46]], digits=1))[2]==['27.5']

def test_a_bar_in_a_cell_is_no_border():
    assert cells(show_table(['a','b'], [['|x|', '[y](z)']]))[2]==[r'\|x\|', '[y](z)']

def test_a_row_of_another_length_is_named():
    with pytest.raises(InputError, match=r"show_table: \['a', 1.0\] has 2 cells; the head has 3"): show_table(['row','x','y'], [['a', 1.]])
