"""A world of people who dance: anybody can dance anything anywhere, and key points, parts and flow are known"""
import cv2
import numpy as np
import torch

from .clip import Clip, InputError
from .dancers import PARTS, PEOPLE, Figure
from .wardrobe import painted
from .layers import Layer, Scene
from .moves import JOINTS, Choreography
from .tubes import Body, BodyScene
from .world import _mix, _noise, _rgb, _smooth

# the 25 key points of OpenPose in its order, and the bones between them
KEYPOINTS = ('nose', 'neck', 'right shoulder', 'right elbow', 'right wrist', 'left shoulder', 'left elbow', 'left wrist', 'middle of the hips',
             'right hip', 'right knee', 'right ankle', 'left hip', 'left knee', 'left ankle', 'right eye', 'left eye', 'right ear', 'left ear',
             'left big toe', 'left small toe', 'left heel', 'right big toe', 'right small toe', 'right heel')
BONES = ((1,8), (1,2), (2,3), (3,4), (1,5), (5,6), (6,7), (8,9), (9,10), (10,11), (8,12), (12,13), (13,14), (1,0), (0,15), (15,17), (0,16), (16,18),
         (14,19), (19,20), (14,21), (11,22), (22,23), (11,24))

class Camera:
    "A camera that looks slightly down on the floor's middle, and the picture's own pan and zoom after it"
    def __init__(self, size, moves=0., phase=(0., 0., 0.), distance=5., pitch=7.):
        self.size, self.unit = size, min(.71*size[0], .93*size[1])    # pixels a height
        self.moves, self.phase, self.distance = moves, phase, distance
        self.c, self.s = np.cos(np.radians(pitch)), np.sin(np.radians(pitch))

    def after(self, t): # (3,3): pan and zoom of the whole picture at time t
        h, w = self.size
        x, y, zoom = (self.moves*a*np.sin(2*np.pi*t/p+q) for a,p,q in zip((.06, .025, .07), (210, 150, 170), self.phase))
        k = 1+self.moves*.07+zoom
        cx, cy = (w-1)/2, (h-1)/2
        return np.array([[k, 0, cx-k*cx+x*self.unit], [0, k, cy-k*cy+y*self.unit], [0, 0, 1]])

    def see(self, t, places): # (N,3) in heights -> pixels (N,2) and distances (N,)
        m, flat, far = self.after(t), *self.still(places)
        return flat*m[0,0] + m[:2,2], far

    def still(self, places):
        x, y, z = places.T
        y = y-.5
        far = self.distance - y*self.s - z*self.c
        k = self.unit*self.distance/far
        return np.stack([(self.size[1]-1)/2 + k*x, .53*self.size[0] - k*(y*self.c - z*self.s)], 1), far

    def ground(self, x, y): # pixels of the still picture -> places on the floor, left and front
        a, b = (x-(self.size[1]-1)/2)/self.unit/self.distance, (.53*self.size[0]-y)/self.unit/self.distance   # slopes of the ray
        down = self.s - b*self.c                       # by how much it falls for one height of depth
        far = (.5+self.distance*self.s)/np.maximum(down, 1e-3)
        return a*far, self.distance*self.c - far*(self.c + b*self.s)

# ---- places

_WALL = 1.5   # heights behind the dancer, where the floor ends

def _planks(rng, x, z, wide, long): # boards along z: a tone for each, and dark joints; x and z in heights
    row = np.floor(x/wide)
    tone = rng.random((64, 64), dtype=np.float32)[row.astype(int)%64, np.floor(z/long + .37*row).astype(int)%64]
    gap = np.abs(x/wide-row-.5)*2
    return tone, _smooth(.9, 1., gap) + .7*_smooth(.97, 1., np.abs((z/long+.37*row)%1-.5)*2)

def _studio(rng, x, y, fx, fz, noise):
    wall, wood = _rgb(rng.choice('d9cbb5 b9c7c9 c9b3a5 a9b5a0 8fa3b0 d7b98f'.split())), _rgb(rng.choice('b07c4a 8a5a35 c49a66 6f4d38'.split()))
    rgb = wall*(1 + .12*(noise((60, 60))-.5) + .1*y)[...,None]
    pane = _smooth(.2, .17, np.abs((x+rng.uniform(0, .6))%.62-.3))*_smooth(.3, .27, np.abs(y-.28))
    bars = np.maximum(_smooth(.012, .006, np.abs((x*5)%1-.5)/5), _smooth(.008, .004, np.abs(y-.28)))
    rgb = _mix(rgb, _mix(_rgb('fdf6e3'), _rgb('bcd8ea'), _smooth(.0, .6, y))*(.93+.14*noise((30, 50)))[...,None], pane*(1-bars))
    rgb = _mix(rgb, wall*.55, _smooth(.012, .006, np.abs(y+.1)) + .8*_smooth(.045, .04, np.abs(y+.33)))    # the rail, the skirting
    tone, gap = _planks(rng, fx, fz, .13, 1.4)
    floor = wood*(.8 + .3*tone + .2*(noise((8, 90))-.5))[...,None]*(1-.45*gap)[...,None]
    return rgb, _mix(floor, _rgb('fff3dc'), .28*_smooth(.5, .1, np.abs((fx+.45*fz)%1.3-.65)))             # light from the windows

def _stage(rng, x, y, fx, fz, noise):
    cloth = _rgb(rng.choice('7d1f2a 22345e 1f4d45 4b2a5e 6b3a1e'.split()))
    wave = np.sin(x*2*np.pi/.16 + 2.5*noise((50, 200)) + .8*np.sin(9*x))
    rgb = cloth*(.62 + .38*wave + .3*(y+.2))[...,None]
    rgb = _mix(rgb, _rgb('e8c26a'), .8*_smooth(.02, .014, np.abs(y+.34+.004*wave)))                       # the curtain's fringe
    tone, gap = _planks(rng, fz, fx, .11, 1.7)
    floor = _rgb(rng.choice('4a3a33 5e4636 3a3f4a'.split()))*(.8 + .4*tone)[...,None]*(1-.4*gap)[...,None]
    pool = .95*np.exp(-((fx/.95)**2 + (fz/.8)**2)**2)
    return _mix(rgb, _rgb('ffe2a8'), .16*_smooth(.9, 0, np.hypot(x*.8, y-.1))), floor*(.75+1.5*pool)[...,None] + .06*_rgb('ffd9a0')*pool[...,None]

def _park(rng, x, y, fx, fz, noise):
    top, low = (_rgb(c) for c in rng.choice(['5b9bd5:dfeefb', '7fb2dd:fbe9d0', '8d86c9:ffd9b8', '6fb7c4:f3f4dc']).split(':'))
    rgb = _mix(_mix(low, top, _smooth(-.1, .8, y)), np.ones(3), .75*_smooth(.55, .75, noise((90, 34))))
    leaf, n = _rgb(rng.choice('3f7d3a 5a8f3c a4772e 2f6b52 b5562b'.split())), noise((26, 26))
    for near,(height,tint) in enumerate(((.16, .75), (.0, 1.))):
        crown = height + .09*np.sin(x*7+rng.uniform(0, 6)) + .05*np.sin(x*17+rng.uniform(0, 6)) + .2*(n-.5)
        lit = leaf*tint*(.55 + .9*noise((16, 16)) + .9*(y-crown+.1))[...,None]
        rgb = _mix(rgb, _mix(np.clip(lit, 0, 1), low, .45*(1-near)), _smooth(.012, -.012, y-crown))
    grass = _mix(_rgb('6ea043'), _rgb('b8c25a'), noise((40, 9)))*(.75+.5*noise((3, 6)))[...,None]
    path = _mix(_rgb('d9c39a'), _rgb('b99b70'), noise((20, 6)))
    return rgb, _mix(grass, path, _smooth(.62, .56, np.abs(fz + .1*np.sin(3*fx) + .12*(noise((30, 6))-.5))))

def _street(rng, x, y, fx, fz, noise):
    brick, seam = _rgb(rng.choice('a4543c b98a62 7f8c94 8a4a45 c7b59a'.split())), _rgb('cfc5b6')
    row = np.floor(y/.05)
    col = np.floor(x/.12+.5*(row%2))
    tone = rng.random((64, 64), dtype=np.float32)[row.astype(int)%64, col.astype(int)%64]
    joint = np.maximum(_smooth(.84, .94, np.abs((y/.05)%1-.5)*2), _smooth(.93, .98, np.abs((x/.12+.5*(row%2))%1-.5)*2))
    rgb = _mix(brick*(.72+.45*tone+.3*(noise((12, 12))-.5))[...,None], seam*.8, .6*joint)
    for code in rng.choice('e8b93a 3aa6a0 e2674a 5b6fc4 f0e6d2 d65f93'.split(), 3, replace=False):            # what somebody painted on it
        cx, cy, r, a = rng.uniform(-.75, .75), rng.uniform(-.1, .45), rng.uniform(.12, .26), rng.uniform(0, 3)
        shape = np.hypot(x-cx, y-cy) + .05*np.sin(3*np.arctan2(y-cy, x-cx)+a) - r
        rgb = _mix(rgb, _rgb(code)*(.85+.2*tone)[...,None], .8*np.maximum(_smooth(.01, -.01, shape)*(a<1.6), _smooth(.03, .02, np.abs(shape))))
    u, v = np.abs((fx/.42)%1-.5)*2, np.abs((fz/.42)%1-.5)*2
    slab = rng.random((64, 64), dtype=np.float32)[np.floor(fx/.42).astype(int)%64, np.floor(fz/.42).astype(int)%64]
    floor = _rgb(rng.choice('a8a39a 8f9499 b7a78f'.split()))*(.82+.2*slab+.25*(noise((5, 3))-.5))[...,None]
    return rgb*(.9+.25*y)[...,None], floor*(1-.4*np.maximum(_smooth(.93, .99, u), _smooth(.93, .99, v)))[...,None]

def _hall(rng, x, y, fx, fz, noise):
    a, b, c = (_rgb(code) for code in rng.choice(['1f4e5f:e9dcc3:e07a4a', '6b2d4f:f0d9c8:e3a23b', '2d4a36:e8e2c8:c65b3a', '27345f:dfe4ee:e0647a', '7a4b2a:efe3cf:4f8f8b']).split(':'))
    rgb = _mix(b, b*.85, noise((40, 40)))
    for k,r in enumerate((.78, .6, .42, .24)):                                                         # an arch of painted bands
        inside = np.where(y>-.02, np.hypot(x-.08, y+.02), np.maximum(np.abs(x-.08), 0))
        rgb = _mix(rgb, (a, c, b, a)[k]*(.9+.2*noise((25, 25)))[...,None], _smooth(.008, -.008, inside-r))
    tile = (np.floor(fx/.3)+np.floor(fz/.3))%2
    floor = _mix(_mix(b, np.ones(3), .2), _mix(a, b, .25), tile)*(.86+.25*(noise((8, 5))))[...,None]
    return rgb*(.92+.2*y)[...,None], floor

_PLACES = (_studio, _stage, _park, _street, _hall)

def _backdrop(place, camera, margin): # sheet of the place, two texels a pixel, and its matrix to the still picture
    rng, (h, w) = np.random.default_rng([place, 21]), camera.size
    pad = round(margin*camera.unit)
    y, x = np.mgrid[-2*pad:2*(h+pad),-2*pad:2*(w+pad)].astype(np.float32)/2 + .25-.5
    fx, fz = camera.ground(x, y)
    behind = (camera.still(np.array([[0, 0, -_WALL]]))[0][0,1]-y)*2          # texels above the floor's end
    up, aside = (.53*h-y)/camera.unit, (x-(w-1)/2)/camera.unit
    noise = lambda cell: _noise(rng, x, x.shape[::-1], np.array(cell)*camera.unit/45)   # cells for a picture of 64 pixels
    wall, floor = _PLACES[rng.integers(len(_PLACES))](rng, aside, up, fx, np.where(behind>0, 0, fz), noise)
    floor = floor*(1-.35*np.exp(-np.maximum(-behind, 0)/(.1*camera.unit)))[...,None]     # darker where it meets the wall
    rgb = _mix(floor, wall, np.clip(behind+.5, 0, 1))*(1.06-.16*(aside+.8)**2*.35-.1*up**2)[...,None]
    sheet = np.dstack([cv2.GaussianBlur(np.clip(rgb, 0, 1).astype(np.float32), (0, 0), .7), np.ones_like(x)])
    return sheet, np.array([[.5, 0, -pad-.25], [0, .5, -pad-.25], [0, 0, 1]])

# ---- the dancer's shadow

_LIMBS = [(a, b, wide) for o in (4, 11) for a,b,wide in ((2,o,.05), (o,o+1,.07), (o+1,o+2,.05), (0,o+3,.1), (o+3,o+4,.11), (o+4,o+5,.08), (o+5,o+6,.07))] \
    + [(0,1,.18), (1,2,.19), (2,3,.08), (3,3,.14)]

class Shadow(Layer):
    "The soft shadow of a body on the floor; `place` gives joints (N,3) at time t and `view` takes them to pixels"
    def __init__(self, place, view, unit, **more):
        super().__init__(np.zeros((4, 4, 4), np.float32), place, solid=False, **more)
        self.view, self.unit = view, unit

    def draw(self, t, size):
        at = self.place(t)
        y = at[:,1]
        ground = np.stack([at[:,0]+.34*y, 0*y, at[:,2]-.42*y], 1)        # the lamp stands to the left and in front
        pixels, mask = self.view(t, ground)[0], np.zeros(size, np.float32)
        fine = np.round(pixels*16).astype(int)
        for a,b,wide in _LIMBS: cv2.line(mask, fine[a].tolist(), fine[b].tolist(), 1., max(1, round(wide*self.unit)), cv2.LINE_AA, 4)
        soft = .45*cv2.GaussianBlur(mask, (0, 0), .022*self.unit)
        return (0, size[0], 0, size[1]), np.dstack([np.zeros((*size, 3), np.float32), soft])

# ---- the world

_FACE = np.array([[0, -.016, .078], [-.022, .002, .062], [.022, .002, .062], [-.06, -.004, 0], [.06, -.004, 0]])  # nose, eyes, ears from the head's middle
_INSIDE = np.array([.03, .06, *[.06, .045, .035]*2, .09, *[.09, .055, .04]*2, .03, .03, .06, .06, *[.05]*6]) # how deep a point lies in the body
_DIM = .4   # confidence of a key point that is in the picture and hidden

def _number(name, value, fix):
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value>=0: return int(value)
    raise InputError(f'Dance: {name}={value!r} will not do; give {fix}')

class Dance(Scene):
    "Somebody dances somewhere. Identity, motion and place follow from seeds of their own; options out of range raise `InputError`"
    name = 'dance'
    def __init__(self,
        seed:int=0,        # gives all that isn't said
        size=(128,128),    # (H,W) in pixels, both from 32 to 512
        who:int|None=None, # person, 0 to PEOPLE-1
        dance=None,        # seed of a choreography, or a motion: anything with `pose(t)`
        place:int|None=None, # seed of the scene
        camera:float=0.,   # how far it pans and zooms, from 0, where it stands still, to 1
    ):
        self.seed = _number('seed', seed, '0, 1, 2, …')
        whole = lambda n: isinstance(n, (int, np.integer)) and 32<=n<=512
        if not (isinstance(size, (tuple, list)) and len(size)==2 and all(map(whole, size))):
            raise InputError(f'Dance: size={size!r} will not do; give (H,W), whole numbers from 32 to 512')
        if isinstance(camera, bool) or not isinstance(camera, (int, float)) or not 0<=camera<=1:
            raise InputError(f'Dance: camera={camera!r} will not do; give 0 (it stands still) to 1')
        self.who, self.place = (self.seed if v is None else _number(k, v, '0, 1, 2, …') for k,v in (('who', who), ('place', place)))
        if self.who>=PEOPLE: raise InputError(f'Dance: who={self.who} will not do; there are {PEOPLE} people, give 0 to {PEOPLE-1}')
        self.motion = dance if hasattr(dance, 'pose') else Choreography(self.seed if dance is None else _number('dance', dance, '0, 1, 2, … or a motion'), self.fps)
        self.camera = Camera(size, camera, np.random.default_rng([self.place, 22]).uniform(0, 6.28, 3))
        self.figure, self.kept = Figure(self.who), {}
        super().__init__(self._hang(), size)

    def _hang(self): # backdrop, shadow and dancer
        figure, camera = self.figure, self.camera
        sheet, to_picture = _backdrop(self.place, camera, .02+.13*(camera.moves>0))
        skin, texels = painted(figure, 2*camera.unit)
        return [Layer(sheet, lambda t: camera.after(t)@to_picture, depth=lambda t: 9.),
                Shadow(lambda t: self.strung(t)[0], camera.see, camera.unit, depth=lambda t: 8.),
                Body(skin, self.strung, figure.tubes, texels, camera.see, camera.size, deeper=figure.deeper, depth=lambda t: camera.distance, kind=1, thing=1)]

    def strung(self, t): # joints, frames and radii at time t
        if t not in self.kept:
            while len(self.kept)>3: self.kept.pop(next(iter(self.kept)))
            self.kept[t] = self.figure.place(self.motion.pose(t))
        return self.kept[t]

    def _body(self, now): # the body's layer, and rows and columns of the pixels that it owns
        return self.layers[-1], *np.nonzero(now.front==len(self.layers)-1)

    def flow(self, now, then):
        flow, seen = super().flow(now, then)
        body, y, x = self._body(now)
        if len(y): seen[y,x] &= body.faces(now.t, then.t, x.astype(float), y.astype(float))
        return flow, seen

    def truth(self, now):
        out = super().truth(now)
        body, y, x = self._body(now)
        if not len(y): return out
        m, k, shares = body.found(now.t, x, y)
        out['parts'][y,x], out['depth'][y,x] = body.parts[k], (m.far[body.tubes.triangles[k]]*shares).sum(1)
        return out

    def uv(self, now): # (H,W,2) float32: across and down the backdrop; around (0.5 is in front) and along each part of the body
        out = super().uv(now)
        body, y, x = self._body(now)
        if len(y):
            _, k, shares = body.found(now.t, x, y)
            out[y,x] = np.einsum('nkc,nk->nc', body.chart[k], shares)
        return out

    def places(self, t): # (25,3) in heights
        "Where the key points are in space"
        at, frames, _ = self.strung(t)
        foot = lambda s, ahead, aside, up: at[JOINTS.index(f'{s}toe')] + frames[{'r': 7, 'l': 12}[s]]@[aside, -ahead*self.figure.build.foot, up]
        feet = [foot(s, *move) for s,out in (('l', 1), ('r', -1)) for move in ((.12, -.012*out, .0), (.05, .022*out, -.002), (-1.28, 0, -.03))]
        body = [at[JOINTS.index(n)] for n in 'neck rshoulder relbow rwrist lshoulder lelbow lwrist hips rhip rknee rankle lhip lknee lankle'.split()]
        face = at[JOINTS.index('head')] + _FACE*self.figure.head @ frames[2].T
        return np.stack([face[0], *body, *face[1:], *feet])

    def points(self, t): # (25,3): x and y in pixels, confidence: 1 seen, 0.4 hidden by the body, 0 out of the picture
        pixels, far = self.camera.see(t, self.places(t))
        h, w = self.size
        inside = (pixels>=-.5).all(1) & (pixels<[w-.5, h-.5]).all(1)
        seen = far-_INSIDE-.02 < self.layers[-1].nearest(t, pixels)
        return np.column_stack([pixels, np.where(inside, np.where(seen, 1., _DIM), 0.)])

# ---- labels

def _bone_colours(): # a hue for each bone, as in the papers: red is the spine, right is warm, left is cold
    hues = np.linspace(0, 170, len(BONES)).astype(np.uint8)
    return cv2.cvtColor(np.stack([hues, np.full_like(hues, 255), np.full_like(hues, 255)], 1)[None], cv2.COLOR_HSV2RGB)[0].astype(float)

def draw_pose(
    points,        # (T,25,3) key points: x, y, confidence
    size,          # (H,W) of the pictures
    least:float=.1, # confidence below which a point isn't drawn
)->torch.Tensor: # (T,3,H,W) in [-1,1], black where there is no bone
    "The stick figure that pose-driven systems take as their label: a colour for each bone"
    points, width, colours = np.asarray(points, float), max(1, round(min(size)/64)), _bone_colours()
    if points.ndim!=3 or points.shape[1:]!=(len(KEYPOINTS), 3):
        raise InputError(f'draw_pose: points have shape {points.shape}; give (T,{len(KEYPOINTS)},3)')
    out = np.zeros((len(points), *size, 3), np.uint8)
    for picture,p in zip(out, points):
        fine = np.round(p[:,:2]*16).astype(int).tolist()
        for (a, b), colour in zip(BONES, colours.tolist()):
            if min(p[a,2], p[b,2])>=least: cv2.line(picture, fine[a], fine[b], colour, width, cv2.LINE_AA, 4)
    return torch.from_numpy(out).movedim(-1, 1).float()/127.5-1

def part_labels(clip:Clip)->torch.Tensor: # (T,17,H,W) float32 of 0 and 1, one channel for each of PARTS
    "Which part of the body each pixel shows, one channel a part"
    if clip.parts is None: raise InputError(f'{clip.name}: the clip has no parts; film it with Dance')
    return torch.nn.functional.one_hot(clip.parts[:,0], len(PARTS)).movedim(-1, 1).float()
