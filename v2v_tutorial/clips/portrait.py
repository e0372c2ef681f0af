from functools import lru_cache

import cv2
import numpy as np

from .world import _grid, _mix, _noise, _rgb, _smooth

# what can be told of a person at a glance: a person is one number, and these are its digits
_LOOKS = dict(hair='crop parted fringe bob long afro bun buzz', colour='2a2320 4a2f20 7d4f2f b0743a dcb874 b4532e b4b2b4',
              skin='f8dcc8 efc09c dba077 c08558 9c6643 74492f', iris='5a3520 94702c 4d7f52 3a7fb8 7a8d99',
              extra='none freckles mole round square', finish='bare lipstick stubble beard')
_LOOKS = {name: words.split() for name,words in _LOOKS.items()}
# what takes a ruler: the least and the most, in half widths of a face
_BUILD = dict(wide=(.94,1.04), jaw=(.84,1.12), chin=(1.2,1.38), eyes=(.40,.455), size=(.95,1.15), tilt=(-.03,.05), brow=(.29,.36),
              arch=(.03,.1), nose=(.5,.6), nostril=(.15,.21), mouth=(.28,.36), lips=(.075,.12))

@lru_cache(1)
def _scrambled(): return np.random.default_rng(68).permutation(np.prod([len(v) for v in _LOOKS.values()]))

def identity(
    who:int, # number of the person
)->dict: # looks (`hair`, `skin` …) as words or colours, proportions (`wide`, `nose` …) in half widths of a face
    "All attributes of a person; no two of the first 33600 persons have the same looks"
    digits = np.unravel_index(_scrambled()[who%len(_scrambled())], [len(v) for v in _LOOKS.values()])
    looks = {name: values[d] for (name,values),d in zip(_LOOKS.items(), digits)}
    share = np.random.default_rng([who, 1]).random(len(_BUILD))
    build = {name: float(lo+(hi-lo)*f) for (name,(lo,hi)),f in zip(_BUILD.items(), share)}
    if looks['finish'] in ('stubble','beard'): build |= dict(jaw=build['jaw']-.1, lips=.8*build['lips'], size=build['size']-.06)
    return looks | build

def _mirrored(points): return points*[-1,1]
def _mouth(p): return .5*(p['nose']+p['chin'])-.03      # height of the line between the lips

def _rim(p, u, side): # (n,2): of the eye on the left, at u; side -1 is the upper lid, 1 the lower
    u, high = np.asarray(u, float), p['size']*(.135 if side<0 else .075)
    return np.stack([-p['eyes']+.215*p['size']*u, side*high*(1-u*u)**.75*(1-.22*side*u)+p['tilt']*u], -1)

def _relief(x, y, p): # how far the face comes forward at a place: it turns the mesh into a head, and shades the painting
    bump = lambda x0, y0, sx, sy, high: high*np.exp(-((np.abs(x)-x0)/sx)**2-((y-y0)/sy)**2)
    n, m = p['nose'], _mouth(p)
    along = _smooth(-.2, n-.06, y)*(1-_smooth(n-.05, n+.09, y))
    skull = .6-.46*(x/p['wide'])**2-.16*((y-.15)/1.1)**2
    nose = .27*along*np.exp(-(x/(.08+.075*along))**2)+bump(.72*p['nostril'], n-.03, .075, .09, .1)
    eyes = bump(p['eyes'], 0, .25, .17, -.11)+bump(p['eyes'], 0, .16, .12, .07)+bump(.38, -.24, .3, .09, .05)
    lips = bump(0, m, .3, .13, .08)+bump(0, m+.24, .22, .06, -.04)+bump(0, p['chin']-.17, .24, .13, .07)
    return skull+nose+eyes+lips+bump(.52, .4, .24, .22, .06)

_HEAD = 0., .28, 4., 4.8   # middle and size of the sheets of face and hair, in half widths of a face

def _canvas(box, dots): # x and y of each texel of a box
    x, y = _grid(box[2:], dots)
    return x+np.float32(box[0]), y+np.float32(box[1])

def _texel(points, box, dots): # points of the head, in texels of the box's sheet
    w, h = (round(side*dots) for side in box[2:])
    return (np.asarray(points)-box[:2])*dots+[(w-1)/2, (h-1)/2]

def _shape(points, dots, thick=None): # (h,w) in 0..1 on the head's sheet: an area, or a line of some thickness
    mask = np.zeros([round(side*dots) for side in _HEAD[:1:-1]], np.uint8)
    line = [np.round(_texel(points, _HEAD, dots)*16).astype(np.int32)]
    if thick is None: cv2.fillPoly(mask, line, 255, cv2.LINE_AA, 4)
    else: cv2.polylines(mask, line, False, 255, max(1, round(thick*dots)), cv2.LINE_AA, 4)
    return cv2.GaussianBlur(mask, (0,0), max(.4, .008*dots)).astype(np.float32)*(min(1, 1 if thick is None else thick*dots)/255)

def _lit(z, dots, light): # how much light a relief gets
    dy, dx = np.gradient(z, 1/dots)
    return (light[2]-dx*light[0]-dy*light[1])/np.sqrt(1+dx*dx+dy*dy)

def _toned(colour, light): # skin or cloth: from a warm shadow through its own colour to a highlight
    rgb = _mix(colour**1.25*np.float32([.62,.47,.46]), colour, _smooth(-.1, .8, light))
    return _mix(rgb, 1-(1-colour)*np.float32([.5,.55,.62]), .75*_smooth(.72, 1.08, light))

def _sheet(rgb, alpha): return np.dstack([np.clip(rgb, 0, 1), alpha]).astype(np.float32)

def _curve(points, steps=8): # (n,D) -> (m,D): a parabola through three points at a time, a line where two are left
    points, out = np.asarray(points, float), []
    for k in range(0, len(points)-1, 2):
        part, s = points[k:k+3], np.linspace(0, 1, steps+1)[:,None]
        near, far = np.linalg.norm(np.diff(part[:,:2], axis=0), axis=1) if len(part)==3 else (0, 0)
        if not near*far: out.append((1-s)*part[0]+s*part[-1]); continue
        m = near/(near+far)                             # the share of the way at which the middle point lies
        out.append(part[0]*(s-m)*(s-1)/m + part[1]*s*(1-s)/(m*(1-m)) + part[2]*s*(s-m)/(1-m))
    return np.concatenate(out)

# parting, height and breadth over the skull, hairline, squareness and half width of the window, lower end in front and behind, flare, wave
_CUTS = dict(crop=(.2,.17,0,-1.02,3,.94,0,.5,-.5,0), parted=(.42,.18,.07,-.95,2.2,.94,.15,.6,-.4,.02),
             fringe=(0,.17,.15,-.4,2.6,.9,1.55,2.3,0,0), bob=(.12,.2,.17,-.98,2,.87,1.15,1.3,.1,0),
             long=(-.3,.22,.18,-1,2,.88,2.2,2.6,.12,.09), afro=(0,.5,.5,-.95,2.4,.96,.1,.85,-.75,0),
             bun=(0,.06,.02,-1,2.3,.97,0,.4,-.5,0), buzz=(0,.02,0,-1.02,3,.96,-.05,.35,-.5,0))
_CUTS = {name: dict(zip('part high broad line power window front back flare wave'.split(), cut)) for name,cut in _CUTS.items()}

def _strands(rng, x, y, p, cut): # from the outline, which strand (0 parting, 1 outermost), below the crown, streaks
    top = -1.36-cut['high']
    half = (p['wide']+.03+cut['broad'])*np.sqrt(np.clip(1-(np.minimum(y+.2, 0)/(top+.2))**2, 0, 1))+cut['flare']*np.maximum(y+.2, 0)
    x = x+cut['wave']*np.sin(5*y+1)*_smooth(-.6, .8, y)
    outer, x = half-np.abs(x), x-cut['part']
    strand = np.abs(x)/np.maximum(half+np.sign(-x)*cut['part'], .02)
    octaves = [rng.random((6<<k, 24<<k), dtype=np.float32)/1.6**k for k in range(3)]
    fibre = sum(cv2.resize(octave, x.shape[::-1], interpolation=cv2.INTER_CUBIC) for octave in octaves)
    place = ((strand*np.sign(x)*.5+.5)*(x.shape[1]-1)).astype(np.float32), ((y-top)/9*x.shape[0]).astype(np.float32)
    streak = cv2.remap((fibre-fibre.min())/np.ptp(fibre), *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    if p['hair'] in ('afro','buzz'): streak = _noise(rng, x, _HEAD[2:], (.3,.3) if p['hair']=='afro' else (.1,.1))
    return np.minimum((1-strand)*half, outer), strand, y-top, streak

def _hair(rng, dots, p, light, back):
    "What falls in front of the face and the ears, or what is seen behind the head"
    (x, y), cut = _canvas(_HEAD, dots), _CUTS[p['hair']]
    edge, strand, down, streak = _strands(rng, x, y, p, cut)
    edge = np.where(down>0, edge+(.16 if p['hair']=='afro' else .05)*(streak-.5), -1)
    edge = np.minimum(edge, .7*(cut['back' if back else 'front']-y)+.25*(streak-.5))
    u, v = np.abs(x-.3*cut['part'])/cut['window'], np.maximum(.25-y, 0)/(.25-cut['line'])  # the face looks out of a window
    near = np.ones_like(x) if back else ((u**cut['power']+v**cut['power'])**(1/cut['power'])-1)*.75+.05*(streak-.5)
    if back and p['hair']=='bun': edge = np.maximum(edge, .4-np.hypot(x-.05, y+1.58)+.03*(streak-.5))
    nx, ny = np.clip(x/1.25, -1, 1), np.clip((y+.2)/1.6, -1, 1)
    lam = light[2]*np.sqrt(np.clip(1-.8*nx*nx-.8*ny*ny, 0, 1))+light[0]*nx+light[1]*ny
    tone = (.3+.5*np.clip(lam, 0, 1.2)+.5*(streak-.35))*(.4+.6*_smooth(-.1, .2, near))
    if back: tone = tone*.6*(1-.45*_smooth(-.2, 1.2, y)*(1-_smooth(.5, 1., np.abs(x))))
    band = np.exp(-((down-.42-.3*np.minimum(strand, 1)**2)/.2)**2)+.4*np.exp(-((down-1.5)/.3)**2) # where light glides along the strands
    shine = (0 if back else .55)*(.35 if p['hair'] in ('afro','buzz') else 1)*band*np.clip(streak-.25, 0, 1)*np.clip(lam, 0, 1)
    colour = _rgb(p['colour'])
    rgb = 1.5*colour*np.clip(tone, .08, 2)[...,None]+(colour*.6+.32)*shine[...,None]
    return _sheet(rgb, _smooth(-.5/dots, 2.5/dots, np.minimum(edge, near))*(.88 if p['hair']=='buzz' and not back else 1))

PARTS = ('background', 'clothes', 'neck', 'skin', 'brow', 'eye', 'nose', 'mouth', 'hair', 'glasses')
_PART = {name: k for k,name in enumerate(PARTS)}

def _bump(x, y, x0, y0, sx, sy): return np.exp(-((np.abs(x)-x0)/sx)**2-((y-y0)/sy)**2)

def _beard(rng, rgb, x, y, p, skin, light): # along the jaw and above the lip, where it grows
    m, fuzz, hair = _mouth(p), _noise(rng, x, _HEAD[2:], (.05,.07)), _rgb(p['colour'])
    low = np.hypot(x/.7, (y-.3)/(m-.1))
    grow = np.maximum(_smooth(.88, 1.12, low)*_smooth(-.05, .4, y), 1.1*_bump(x, y, 0, m-.15, .3, .075)+.8*_bump(x, y, 0, m+.22, .1, .07))
    if p['finish']=='stubble':
        return _mix(rgb, _mix(skin, hair, .6)*np.clip(.45+.55*light, .25, 1)[...,None], .5*np.clip(grow, 0, 1)*_smooth(.1, .7, fuzz))
    return _mix(rgb, hair*(np.clip(.35+.6*light, .2, 1.1)*(.55+.9*fuzz))[...,None], _smooth(.2, .6, grow+.25*(fuzz-.5)))

def _eye(rgb, x, y, p, dots, side, brow): # lids, lashes and brow of the left (-1) or the right eye -> colours, opening, shape of the brow
    flip, u, dark = (lambda points: points*[-side,1]), np.linspace(-1, 1, 25), _rgb('1a1210')
    lid, low, soft = flip(_rim(p, u, -1)), flip(_rim(p, u, 1)), p['finish'] in ('bare','lipstick')
    crease = lid-np.stack([0*u, .095-.03*u*u], 1)
    if p['finish']=='lipstick': rgb = _mix(rgb, rgb*np.float32([.78,.55,.66]), .6*_bump(x-side*p['eyes'], y, 0, -.13, .2, .06))
    rgb = _mix(rgb, rgb*np.float32([.62,.48,.45]), .75*_shape(crease[2:], dots, .022))
    rgb = _mix(rgb, rgb*np.float32([.6,.45,.42]), .8*_shape(low, dots, .03))
    rgb = _mix(rgb, dark, .88*_shape(lid, dots, .06 if soft else .045))
    wing = flip(np.array([_rim(p, -1, -1)+[-.055,-.04], _rim(p, -.92, -1), _rim(p, -.6, -1)]))
    if soft: rgb = _mix(rgb, dark, .85*_shape(_curve(wing), dots, .035))
    line = _curve(brow)
    thick = np.interp(np.linspace(0, 4, len(line)), range(5), np.array([.4,.9,1.05,1.15,1.])*(.055 if soft else .085))
    arch = _shape(np.concatenate([line-np.stack([0*thick, .5*thick], 1), (line+np.stack([0*thick, .75*thick], 1))[::-1]]), dots)
    hairs = .92+.08*np.sin((x*side*1.2-y*1.7)*100)
    rgb = _mix(rgb, _mix(_rgb(p['colour'])*.5, _rgb(p['skin'])*.35, .3), arch*hairs)
    shy = [0, max(.012, .5/dots)]                       # skin reaches into the opening, so that closed lids meet without a gap
    return rgb, _shape(np.concatenate([lid+shy, (low-shy)[::-1]]), dots), arch

def _nose(rgb, x, y, p, skin): # nostrils, and the crease beside each wing
    n, wide = p['nose'], p['nostril']
    rgb = _mix(rgb, skin*np.float32([.3,.18,.16]), .8*_bump(x, y, .5*wide, n+.028, .34*wide, .028))
    ring = np.exp(-((np.hypot(np.abs(x)-.85*wide, y-n+.035)-.085)/.02)**2)*(np.abs(x)>.95*wide)*(np.abs(y-n+.04)<.09)
    return _mix(rgb, rgb*np.float32([.72,.6,.58]), .6*ring)

def _lips(rgb, y, p, points, dots, light, skin): # -> colours, and where they are
    red = _shape(_curve(points[[*range(48,60),48]]), dots)
    colour = _mix(skin*np.float32([.88,.56,.54]), _rgb('b8283f'), .75*(p['finish']=='lipstick')+.1)
    gleam = np.exp(-((y-.35*points[66,1]-.65*points[57,1])/.03)**2)
    tone = np.clip(.45+.6*light, .3, 1.1)-.16*(y<points[62,1]+.02)+.12*gleam*light
    return _mix(rgb, colour*tone[...,None], .92*red), red

def _face(rng, dots, p, light, points, shadow): # sheet, and the part (h,w) at each texel
    "The skin of a head with eyes open and lips apart, seen from the front; `shadow` is what the hair throws on it"
    (x, y), skin, labels = _canvas(_HEAD, dots), _rgb(p['skin']), np.full(shadow.shape, _PART['skin'], np.int64)
    bump = lambda *place: _bump(x, y, *place)
    deep = .5*bump(0, p['nose']+.1, .16, .05)+.42*bump(p['eyes']-.1, -.1, .17, .09)+.35*bump(0, points[57,1]+.06, .2, .05)
    lam = _lit(_relief(x, y, p), dots, light)-.38*deep-.75*shadow+.1*(_noise(rng, x, _HEAD[2:], (.5,.5))-.5)
    blush = .55*bump(.58, .36, .24, .2)+.5*bump(0, p['nose']-.06, .13, .1)+.25*bump(0, p['chin']-.1, .2, .15)
    rgb = _toned(skin, lam)
    rgb = _mix(rgb, rgb*np.float32([1,.78,.76]), blush)
    spots = _smooth(.6, .7, _noise(rng, x, _HEAD[2:], (.06,.06)))*np.minimum(1, bump(.42, .3, .33, .17)+bump(0, .32, .2, .12))
    if p['extra']=='freckles': rgb = _mix(rgb, rgb*np.float32([.72,.55,.45]), .8*spots)
    if p['extra']=='mole': rgb = _mix(rgb, skin*.3, _smooth(.045, .022, np.hypot(x-.5, y-.62)))
    if p['finish'] in ('stubble','beard'): rgb = _beard(rng, rgb, x, y, p, skin, lam)
    rgb, red = _lips(_nose(rgb, x, y, p, skin), y, p, points, dots, lam, skin)
    labels[_shape(points[[27,31,32,33,34,35]]+[[0,0],[-.05,0],[0,.03],[0,.03],[0,.03],[.05,0]], dots)>.5] = _PART['nose']
    labels[red>.5] = _PART['mouth']
    hole = _shape(_curve(points[[*range(60,68),60]]), dots)
    for side,brow in ((-1, points[17:22]), (1, points[26:21:-1])):
        rgb, opening, arch = _eye(rgb, x, y, p, dots, side, brow)
        hole, labels[np.hypot((x-side*p['eyes'])/.26, (y+.02)/.17)<p['size']] = np.maximum(hole, opening), _PART['eye']
        labels[arch>.4] = _PART['brow']
    a = np.linspace(0, np.pi, 40)
    skull = np.stack([p['wide']*np.cos(a), -.05-1.33*np.sin(a)], 1)
    return _sheet(rgb, _shape(np.concatenate([_curve(points[:17]), skull]), dots)*(1-hole)), labels

def _ears(dots, p, light):
    box = 0., .2, 2.08*p['wide']+.5, .8
    x, y = _canvas(box, dots)
    u, v = np.abs(x)-1.04*p['wide'], y-.2
    r = np.hypot((u+.04+.12*np.maximum(v, 0))/.15, v/.3)
    lam = .75+.3*np.sign(x)*light[0]-.6*np.exp(-((r-.55)/.2)**2)*(u>-.1)-.3*(v>.15)
    return _sheet(_toned(_rgb(p['skin'])*np.float32([1,.9,.87]), lam), _smooth(1, .9, r)), box

def _eyeballs(dots, p, light): # darker below the upper lid and in the corners
    box = 0., 0., 2*p['eyes']+.62, .5
    x, y = _canvas(box, dots)
    u, v = (x-np.sign(x)*p['eyes'])/.22, (y+.02)/.16
    shade = np.clip(1.02-.3*u*u-.6*np.clip(-v-.05, 0, 1)+.1*light[0]*u, .3, 1)[...,None]
    return _sheet(_rgb('f4f0ee')*shade**np.float32([.85,1,1]), _smooth(1.55, 1.45, np.abs(u))), box

def _irises(dots, p, light): # rays, a dark ring, a pupil, and two windows mirrored in it
    box, colour = (0., 0., 2*p['eyes']+.36, .36), _rgb(p['iris'])
    x, y = _canvas(box, dots)
    u, v = (x-np.sign(x)*p['eyes'])/.13, y/.13
    r, a = np.hypot(u, v), np.arctan2(v, u)
    glow = np.clip(.5+.85*v+.35*(.5+.5*np.sin(a*17+3*np.sin(a*5))*np.sin(a*11+1)), 0, 2)[...,None]
    rgb = _mix(colour*(.55+.75*glow)+.12*(glow-.5), colour*.25, _smooth(.78, .98, r))
    rgb = _mix(_mix(rgb, _rgb('0c0a0c'), _smooth(.5, .42, r)), rgb*.5, .8*_smooth(-.15, -.75, v))
    for at,high,wide,strength in ((.4,-.38,.27,1), (-.38,.42,.14,.55)):
        rgb = _mix(rgb, np.ones(3, np.float32), strength*_smooth(wide+.06, wide-.06, np.hypot(u-at*np.sign(light[0]), v-high)))
    return _sheet(rgb, _smooth(1.02, .92, r)), box

def _inside(dots, p): # of a mouth: upper teeth, dark, a tongue
    box = 0., _mouth(p)+.1, 1.1, .7
    x, y = _canvas(box, dots)
    v = y-_mouth(p)
    rgb = _mix(_rgb('5a1d22'), _rgb('2a0c10'), _smooth(0, .2, v))
    rgb = _mix(rgb, _rgb('b8555a')*(.75+.6*np.exp(-(x/.13)**2))[...,None], _smooth(.06, 0, np.hypot(x/2.4, v-.28)-.05)*_smooth(.1, .2, v))
    tone = np.clip(1-3.6*x*x, .3, 1)*(1-.22*_smooth(.42, .5, np.abs((x/.085)%1-.5)))*(.82+.18*_smooth(-.06, .06, v))
    rgb = _mix(rgb, _rgb('fbf6ee')*tone[...,None], _smooth(.075, .055, v-.02+.1*x*x)*_smooth(.34, .28, np.abs(x)))
    return _sheet(rgb, _smooth(1, .95, np.hypot(x/.5, (v-.08)/.3))), box

def _glasses(dots, p, light): # frame, reflections in the glass, box
    box, round_, e = (0., .02, 2.5, 1.2), p['extra']=='round', p['eyes']+.02
    x, y = _canvas(box, dots)
    (rx, ry), power, thick = ((.33,.31), 2, .022) if round_ else ((.37,.27), 4, .035)
    u, v = (np.abs(x)-e)/rx, (y-.03)/ry
    away = ((np.abs(u)**power+np.abs(v)**power)**(1/power)-1)*.31
    line = lambda d, where: np.clip((thick-np.abs(d))*dots+.5, 0, 1)*where
    arms = line(y+.06, (np.abs(x)>e+rx-.01)&(np.abs(x)<1.06*p['wide']))
    frame = np.maximum(np.maximum(line(away, 1), arms), line(y+.03+.05*np.cos(x*12), np.abs(x)<e-rx+.01))
    glint = .3*np.exp(-((u-.5*np.sign(light[0]))**2+(v+.75)**2)/.06)
    rgb = _rgb('b98a3c' if round_ else '2c2226')*np.clip(.75+.72*(.3*light[0]*u-.4*v), .3, 1.6)[...,None]+glint[...,None]
    slant = u*np.sign(x)*.7+v*.9
    glare = np.clip(-away*dots, 0, 1)*(.05+.12*(np.abs(slant+.35)<.16)+.07*(np.abs(slant-.02)<.05))
    return _sheet(rgb, frame), _sheet(np.full((*x.shape,3), .95), glare), box

def _neck(rng, dots, p, light):
    box, strong = (0., 1.75, 3.2, 2.3), p['finish'] in ('stubble','beard')
    x, y = _canvas(box, dots)
    half = p['wide']*(.6 if strong else .52)+.9*np.maximum(y-1.75, 0)**1.5+.06*np.exp(-((y-1)/.3)**2)
    lam = light[2]*np.sqrt(np.clip(1-.7*(x/half)**2, 0, 1))+.8*light[0]*x/half
    lam += .1*np.exp(-((np.abs(x)-.34+.2*(y-1.2))/.06)**2)*_smooth(1.2, 1.7, y)                          # cords
    lam += .08*(_noise(rng, x, box[2:], (.5,.5))-.5)-.95*_smooth(2.1, 1.25, y+.12*x*x)                              # the chin's shadow
    return _sheet(_toned(_rgb(p['skin'])*np.float32([.97,.92,.9]), lam), np.clip((half-np.abs(x))*dots, 0, 1)), box

_CLOTHES = '2f4a6b 8c2f3a e9e2d4 3f5f4a 2b2b33 c98a3a 6a5a8c b9c4cc d77a6a'.split()

def _torso(rng, dots, p, light, deep): # a round neck, a V, a shirt, a wide neck, a roll-neck; plain or patterned
    (base, second), kind, plain = rng.choice(_CLOTHES, 2, replace=False), rng.integers(5), rng.random()<.35
    box = 0., 1.6+deep/2, 6.6, deep
    x, y = _canvas(box, dots)
    base, second, fold = _rgb(base), _rgb(second), _noise(rng, x, box[2:], (.4,1.2))
    wide = np.abs(x)/(1.1 if p['finish'] in ('stubble','beard') else 1)
    top = 1.78+.13*np.maximum(wide-.5, 0)+.1*np.maximum(wide-1.2, 0)**2+1.6*np.maximum(wide-1.95, 0)**1.6
    vee, oval = (lambda steep, low, most: np.maximum(wide*steep+(y-low)*.78, wide-most)/.2+1), (lambda a, y0, b: np.hypot(x/a, (y-y0)/b))
    neck = (oval(.66, 1.7, .36), vee(1.25, 2.55, .8), vee(1.5, 2.3, .5), oval(.85, 1.7, .32), oval(.56, 1.55, .2))[kind]
    lam = light[2]*.9+light[0]*np.tanh(x/1.6)*.8-.2*_smooth(1.2, 2.4, wide)+.5*(fold-.5)-.35*_smooth(2.3, 1.8, y)
    stripes = (np.sin(20*(y+.05*x*x+.04*fold))>.3, .15*np.sin(45*x), np.sin(22*(x+.1*fold))>.6, np.sin(9*y)*np.sin(9*x)>0,
               .5*np.abs(np.sin(24*x+2*fold)))[kind]
    rgb = _toned(_mix(base, second, .55*stripes*(not plain)), np.minimum(lam, .84))
    rgb = _mix(rgb, rgb*.68, .8*np.exp(-((neck-1.12)/.1)**2))
    if kind==2:                                                           # collar and buttons
        flap = (y>1.55)*(y<2.32)*_smooth(.04, 0, np.abs(wide-.45+.55*(y-1.95))-.17)
        rgb = _mix(_mix(rgb, _toned(base, lam+.3), flap), rgb*.6, _smooth(.03, .01, np.abs(x))*(y>2.2))
    return _sheet(rgb, np.clip((y-top)*dots, 0, 1)*np.clip((neck-1)*.3*dots, 0, 1)), box

_WALLS = ['d9c7b0 8f7a66', '9fb4c4 54697d', 'c7cdb4 73805f', 'd8b4a4 94645a', '5a6478 2a3040']
_TOWN, _LEAVES = 'ffd08a ff9a6a 9ad0ff fff0c8'.split(), 'd8e88a 7fae5a 4a8050 f0f4b8'.split()

def _books(rng, x, y): # colours, and where there are any, on shelves 1.3 apart
    row, high = np.divmod(y+20, 1.3)
    book, across = np.divmod(x+40+.1*row, .17)
    a, b, c = rng.random((3, 4096), dtype=np.float32)[:, (book*7+row*131).astype(int)%4096]
    cover = _mix(_mix(_rgb('7a3b34'), _rgb('2f5068'), b), _rgb('d9b56a'), c**3)*(.6+.5*np.sin(across/.17*3.1))[...,None]
    return _mix(cover, _rgb('8a6544')[None,None], high>1.22), (high>1.22)|(high>.55-.35*a)

def _discs(rng, rgb, x, y, box, tints, count, small): # lights, or leaves with the sun behind them, far out of focus
    for _ in range(count):
        (a, b), r, tint, strength = rng.uniform(-.5, .5, 2), small*rng.uniform(.4, 1), _rgb(tints[rng.integers(4)]), rng.uniform(.05, .55)
        d = np.hypot(x-box[0]-a*box[2], y-box[1]-b*box[3])/r
        rgb = _mix(rgb, rgb*.28+tint*.75, strength*_smooth(1.1, .9, d)*(.8+.3*d))
    return rgb

def _wall(rng, box, dots, light):
    "What stands behind, out of focus: a plain wall, shelves, a town at night, a garden, a curtain; painted small, since it's blurred"
    x, y = _canvas(box, 14)
    kind, (lo, hi) = rng.integers(5), (_rgb(c) for c in rng.choice(_WALLS).split())
    n = _noise(rng, x, box[2:], (2.2,2.2))
    away = np.hypot((x*np.sign(light[0])-1.4)/4.5, (y+.8)/3.6)            # from where the light falls on it
    rgb = _mix(lo, hi, np.clip(.08+.8*away+.35*(n-.5), 0, 1))
    if kind==1: rgb = _mix(rgb*.45, *_books(rng, x, y))*(1.1-.55*np.clip(away, 0, 1.2))[...,None]
    if kind==2: rgb = _discs(rng, _mix(_rgb('1d2440'), _rgb('6a4a5c'), _smooth(-2.5, 2.5, y)), x, y, box, _TOWN, 60, .36)
    if kind==3: rgb = _discs(rng, _mix(_rgb('a8c46a'), _rgb('2f5a3c'), np.clip(.5*away+.8*n-.1, 0, 1)), x, y, box, _LEAVES, 90, .5)
    if kind==4:
        v = x+.12*np.sin(.8*y+x)+.25*n
        rgb = rgb*(.82+.2*np.sin(5.2*v)+.1*np.sin(11.3*v+1))[...,None]
    w, h = (round(side*dots) for side in box[2:])
    rgb = cv2.resize(cv2.GaussianBlur(rgb.astype(np.float32), (0,0), .8), (w,h), interpolation=cv2.INTER_CUBIC)
    return _sheet(rgb, np.ones((h,w)))
