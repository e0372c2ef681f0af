from functools import lru_cache

import cv2
import numpy as np
import torch

from .clip import InputError
from .layers import Layer, Mesh, Scene
from .portrait import (_HEAD, _PART, _curve, _ears, _eyeballs, _face, _glasses, _hair, _inside, _irises, _mirrored, _mouth, _neck,
                                         _relief, _rim, _texel, _torso, _wall, identity)
from .world import _smooth, _swing, _texture

_SIDE = [-.72, 0, .72]  # further points on the rims of the eyes, from corner (-1) to corner (1); the landmarks lie at -.36 and .36
_UPPER = np.array([37,38,44,43, 68,69,70, 74,75,76]) # upper rims of both eyes, and what lies below each of their points
_LOWER = np.array([41,40,46,47, 71,72,73, 77,78,79])
_LIPS = [[-1,0], [-.62,-.6], [-.24,-1], [0,-.84], [.24,-1], [.62,-.6], [1,0], [.66,.72], [.28,1.15], [0,1.2], [-.28,1.15], [-.66,.72],
         [-.88,0], [-.42,0], [0,0], [.42,0], [.88,0], [.42,0], [0,0], [-.42,0], [-.68,0], [.68,0], [.68,0], [-.68,0]]
# skin that follows its neighbours: temples, forehead, cheeks, chin; and what frames the head
_SKIN = [(.86,-.38), (.4,-.62), (0,-.66), (0,-.3), (.8,-.85), (.45,-1.05), (0,-1.1), (.78,.16), (.55,.3), (.3,.28), (.68,.55), (.44,.56),
         (.5,.85), (.3,1.08), (0,1.14), (.12,.2), (.2,-.12)]
_FRAME = [(-1.2,-.5), (-1.1,-1.1), (-.65,-1.6), (0,-1.72), (.65,-1.6), (1.1,-1.1), (1.2,-.5)]

def _guides(p): # (84,2): the landmarks of a calm face with its mouth closed, then the further points on the rims of eyes and lips
    s, b = np.linspace(-1, 1, 17)*np.pi/2, np.linspace(-1, 1, 5)
    jaw = np.stack([p['wide']*np.sign(s)*np.abs(np.sin(s))**p['jaw'], -.05+(p['chin']+.05)*np.cos(s)], 1)
    brow = np.stack([-.46+.29*b, -p['brow']-p['arch']*(1-(b+.1)**2)+.012*b], 1)
    ridge = np.stack([np.zeros(4), np.linspace(-.04, p['nose']-.1, 4)], 1)
    base = np.stack([p['nostril']*b, p['nose']+.05*(1-b*b)], 1)
    eye = np.concatenate([_rim(p, [-1,-.36], -1), _rim(p, [.36,1], -1), _rim(p, [.36,-.36], 1)])
    mouth = np.array(_LIPS)*[p['mouth'], p['lips']] + [0, _mouth(p)]
    more = np.concatenate([_rim(p, _SIDE, -1), _rim(p, _SIDE, 1)])
    return np.concatenate([jaw, brow, _mirrored(brow[::-1]), ridge, base, eye, _mirrored(eye)[[3,2,1,0,5,4]], mouth[:20],
                           more, _mirrored(more), mouth[20:]])

def _vertices(p): # (V,2): the guides, what moves with a guide (below brows, at lashes), lids, skin, 16 points outside of the head
    guides, skin = _guides(p), np.array(_SKIN)
    lids = np.concatenate([_rim(p, [-.8,-.4,0,.4,.8], -1)-[0,.08], _rim(p, [-.7,0,.7], 1)+[0,.1]])
    around = np.concatenate([guides[:17:2]*1.18+[0,.06], np.array(_FRAME)*[p['wide'],1]])
    tied = np.concatenate([guides[17:27]+[0,.065], guides[_UPPER]-[0,.04]])
    return np.concatenate([guides, tied, lids, _mirrored(lids), skin, _mirrored(skin[skin[:,0]>0]), around])

def _triangles(points): # (V,2) -> (K,3): Delaunay's; those between lids or lips come first, so that what closes over them is drawn on top
    plan, low = cv2.Subdiv2D((0, 0, 8000, 8000)), points.min(0)-.1
    for x,y in (points-low)*1000: plan.insert((float(x), float(y)))
    gap = np.linalg.norm((plan.getTriangleList().reshape(-1, 3, 1, 2)/1000+low)-points, axis=-1)
    k = gap.argmin(-1)[(gap.min(-1)<.001).all(1)]       # without those that hang on the plan's own corners
    hole = np.isin(k, [*range(36,48), *range(68,80)]).all(1)|np.isin(k, [*range(60,68), *range(80,84)]).all(1)
    return np.concatenate([k[hole], k[~hole]])

_LOWER_LIP, _CORNERS, _NEAR = [*range(55,60), 65,66,67, 82,83], [48,60,54,64], [49,59,80,83, 53,55,81,82]
_PAINTED = np.array([0,.45,0,0,0,0])  # the expression in which a face is painted: lips apart, so that there is a hole between them

def _expressions(p, flat): # (6,V,3): how each vertex moves for a smile, an open mouth, a pucker, raised brows, a frown, closed eyes
    guides = flat[:84]
    smile, jaw, pucker, lift, frown, blink = moves = np.zeros((6,84,3))
    out, (corners, near) = np.sign(guides[:,0]), (_CORNERS, _NEAR)
    smile[corners] = np.stack([.1*out[corners], np.full(4, -.1), np.full(4, -.05)], 1)
    smile[near] = np.stack([.06*out[near], np.full(8, -.045), np.full(8, -.02)], 1)
    smile[_LOWER,1], smile[56:59,1] = -.03, -.015
    jaw[_LOWER_LIP,1] = .06+.2*np.clip(1-(np.abs(guides[_LOWER_LIP,0])/p['mouth'])**2.2, 0, 1)
    jaw[corners,1], jaw[[50,51,52,61,62,63],1] = .06, -.015
    jaw[2:15,1] = .24*np.cos(np.linspace(-1.45, 1.45, 13))
    pucker[corners,0], pucker[near,0], pucker[48:68,2] = -.11*out[corners], -.07*out[near], .05
    pucker[50:53,1], pucker[56:59,1] = -.025, .03
    lift[17:27,1], lift[_UPPER,1] = -.1, -.03
    frown[[19,20,21,22,23,24],1], frown[20:24,0] = (.01,.05,.08,.08,.05,.01), -.03*out[20:24]
    frown[corners,1], frown[near,1] = .06, .025
    blink[_UPPER,:2] = .98*(guides[_LOWER]-guides[_UPPER])
    pull = np.exp(-((flat[84:,None]-guides)**2).sum(-1)/.16**2)  # of the guides on all other vertices
    pull /= pull.sum(1, keepdims=True)+.12
    pull[20:25] *= .2                                                # creases hardly follow the lids
    pull[28:33] *= .2
    pull[:20], pull[-16:] = np.eye(84)[[*range(17,27), *_UPPER]], 0  # a brow and a lid's edge move as one; the frame stays
    return np.concatenate([moves, pull@moves], 1)

_MOODS = np.array([(.15,0,0,.1,0), (.95,.22,0,.15,0), (0,.55,.35,1,0), (0,0,.1,0,.85), (.5,.05,0,.3,0), (.75,.1,0,0,0)])
# each a smile, an open mouth, a pucker, raised brows, a frown
_SWINGS = (.42,75), (.16,53), (.14,91), (.2,97), (.06,41), (.05,83)  # size and frames: yaw, pitch, roll (radians), x, y, growth

def _track(rng, every, values, rise): # from one value to the next, a new one at so many frames, taking `rise` of them to get there
    first = rng.uniform(0, every)
    def at(t):
        k, f = divmod(t+first, every)
        share = _smooth(0, rise, f)
        return (1-share)*values[int(k-1)%len(values)]+share*values[int(k)%len(values)]
    return at

class _Acting:
    "What a face does at any time: six expressions, six numbers for the head, where the eyes look"
    def __init__(self, seed, turn):
        rng = np.random.default_rng([seed, 2])
        self.swings = [_swing(rng, turn*size, period*rng.uniform(.85, 1.2)) for size,period in _SWINGS]
        self.mood = _track(rng, 42, _MOODS[rng.permutation(np.arange(60)%6)], 14)
        self.speech = _track(rng, 3.7, rng.random((97,2))*[1.,.9], 3.7)   # a syllable takes seven frames
        self.voice = _track(rng, 34, rng.random(61)<.6, 8)                # talks or listens
        self.gaze = _track(rng, 27, rng.uniform(-1, 1, (53,2))*[.05,.022], 3)
        self.blinks = rng.uniform(8, 44, 41)                              # one in each 50 frames

    def closed(self, t):
        k, f = divmod(t, 50)
        f -= self.blinks[int(k)%41]
        return float(_smooth(-3, 0, f)*(1-_smooth(.6, 5, f)))

    def __call__(self, t):
        (smile, jaw, pucker, lift, frown), voice, head = self.mood(t), float(self.voice(t)), [swing(t) for swing in self.swings]
        (talk, purse), closed = self.speech(t)*voice, self.closed(t)
        gaze = self.gaze(t)-np.array([.12*head[0], .06*head[1]])          # eyes stay with the camera while the head turns
        lid = .08+.12*smile+.12*frown+4*max(gaze[1], 0)-.2*lift
        open_ = .75*talk*(1-.3*jaw)+jaw*(1-.4*voice)+.02
        return np.array([smile*(1-.5*purse), open_, max(purse, pucker)*(1-.6*smile), lift+.2*talk, frown, lid+(1-lid)*closed]), head, gaze

class _Skin(Mesh):
    "A mesh that keeps its last rasters and matrices: the picture, the flow and the parts ask for the same ones"
    def __init__(self, *args, **more):
        self.rasters, self.matrices = [], []
        super().__init__(*args, **more)

    def _matrices(self, points): # (2,3,K+1): from pixels to texels in each triangle; the last one is for pixels outside of all
        for at,found in self.matrices:
            if at is points: return found
        inside = (self._frames(self.rest) @ self._inverse(points)[0])[:,:2].transpose(1, 2, 0)
        found = np.concatenate([inside, np.full((2,3,1), np.nan)], -1)
        self.matrices = [*self.matrices[-2:], (points, found)]
        return found

    def _map(self, points, k, x, y):
        (a, b, c), (d, e, f) = self._matrices(points)[:,:,k]
        return a*x+b*y+c, d*x+e*y+f

    def _raster(self, points, size, corner=(0, 0), which=None):
        image = super()._raster(points, size, corner, which)
        self.rasters = [*self.rasters[-2:], (points, corner, image)]
        return image

    def _triangle(self, points, x, y):
        for at,(left, top),image in self.rasters:
            column, row = np.rint(x).astype(int)-left, np.rint(y).astype(int)-top
            inside = (column>=0)&(column<image.shape[1])&(row>=0)&(row<image.shape[0])
            if at is points and inside.all(): return image[row,column]
        return super()._triangle(points, x, y)

_PIVOT = np.array([0,.75,-.5])  # the head turns on its neck

class Faces(Scene):
    "A person who talks in front of a wall; a seed, size or turn out of range raises `InputError`"
    name = 'faces'
    def __init__(self,
        seed:int=0,           # for what the next three leave open
        size=(128,128),       # (H,W) in pixels, both from 32 to 512
        who:int|None=None,    # seed of the person
        motion:int|None=None, # seed of what the face and the head do
        scene:int|None=None,  # seed of light, clothes and background
        turn:float=1.,        # how far the head moves, from 0, where it looks straight ahead, to 1
    ):
        whole = lambda n: isinstance(n, (int,np.integer)) and not isinstance(n, bool)
        who, motion, scene = (seed if s is None else s for s in (who, motion, scene))
        for key,n in dict(seed=seed, who=who, motion=motion, scene=scene).items():
            if not whole(n) or n<0: raise InputError(f'Faces: {key} {n!r} will not do; give 0, 1, 2, …')
        if not (isinstance(size, (tuple,list)) and len(size)==2 and all(whole(n) and 32<=n<=512 for n in size)):
            raise InputError(f'Faces: size {size!r} will not do; give (H,W), whole numbers from 32 to 512')
        if not 0<=turn<=1: raise InputError(f'Faces: turn {turn!r} will not do; give 0 (it looks straight ahead) to 1')
        super().__init__([], size)
        h, w = size
        self.name, self.unit = f'faces-{who}-{motion}-{scene}', .22*min(h, w)
        self.middle = np.array([(w-1)/2, h-1-max(2.5*self.unit, .4*h)])     # where the eyes are; shoulders reach the lower border
        self.person, self.acting, self.pose = identity(who), _Acting(motion, turn), lru_cache(8)(self._pose)
        flat = _vertices(self.person)
        self.calm = np.concatenate([flat, _relief(*flat.T, self.person)[:,None]], 1)
        self.moves = _expressions(self.person, flat)
        slope = flat[:68]*[.92/self.person['wide']**2, .32]                 # of a skull without nose and lips
        self.facing = np.column_stack([slope, np.ones(68)])/np.sqrt(1+(slope**2).sum(1, keepdims=True))  # which way a landmark looks
        self._paint(who, scene, 2*self.unit)

    def _paint(self, who, scene, dots): # all sheets, from the farthest to the nearest
        rng, inks, p = np.random.default_rng([scene, 3]), (np.random.default_rng([who, 4, k]) for k in range(9)), self.person
        light = np.array([rng.choice([-1,1])*rng.uniform(.35, .7), -.5, .75])
        light, h = light/np.linalg.norm(light), (self.size[0]-1-self.middle[1])/self.unit   # h: from the eyes to the lower border
        room = 0., h-self.size[0]/self.unit/2, self.size[1]/self.unit+1.4, self.size[0]/self.unit+1.4
        hair, rest = _hair(next(inks), dots, p, light, False), (self.calm+np.tensordot(_PAINTED, self.moves, 1))[:,:2]
        self._still(_wall(np.random.default_rng([scene, 4]), room, dots, light), room, 'background', 20, .35)
        self._bend(_hair(next(inks), dots, p, light, True), _HEAD, (4,5), lambda x,y: -.45+0*x, 'hair', 6., (1,2.4))
        self._bend(*_neck(next(inks), dots, p, light), (2,6), lambda x,y: -.3*x*x, 'neck', 5.8, (1,2))
        self._still(*_torso(np.random.default_rng([scene, 5]), dots, p, light, h-1.1), 'clothes', 5.7, 1)
        z = float(_relief(p['eyes'], 0., p))
        self._card(*_ears(dots, p, light), 'skin', 5.6, -.12)
        self._card(*_inside(dots, p), 'mouth', 5.4, .45)
        self._card(*_eyeballs(dots, p, light), 'eye', 5.3, z-.03)
        self._card(*_irises(dots, p, light), 'eye', 5.2, z, looks=True)
        shadow = cv2.warpAffine(hair[...,3], np.float32([[1,0,-.06*dots*np.sign(light[0])], [0,1,.08*dots]]), hair.shape[1::-1])
        shadow = cv2.GaussianBlur(shadow, (0,0), .07*dots)*(p['hair']!='buzz')
        sheet, self.labels = _face(next(inks), dots, p, light, rest, shadow)
        self.face = len(self.layers)
        self._add(_Skin, sheet, self.vertices, 'skin', 5., rest=_texel(rest, _HEAD, dots), triangles=_triangles(rest))
        if p['extra'] in ('round','square'):
            frame, glare, box = _glasses(dots, p, light)
            self._card(glare, box, 'glasses', 4.7, .5, solid=False)
            self._card(frame, box, 'glasses', 4.6, .5)
        self._bend(hair, _HEAD, (5,6), lambda x,y: .68-.46*x*x-.13*(y-.15)**2, 'hair', 4.5, (1,2.4))

    def _add(self, kind, sheet, place, part, depth, **more):
        person = int(part!='background')
        more |= dict(depth=lambda t: depth, kind=person, thing=person, part=_PART[part])
        self.layers.append(kind(_texture(sheet[...,:3], sheet[...,3]), lru_cache(4)(place), **more))

    def _pose(self, t): # expressions (6,), rotation (3,3), shift (2,), scale, gaze (2,)
        face, (yaw, pitch, roll, x, y, grow), gaze = self.acting(t)
        z, y_, x_ = (cv2.Rodrigues(np.array(axis)*angle)[0] for axis,angle in (((0,0,1.), roll), ((0,1.,0), yaw), ((1.,0,0), pitch)))
        return face, z@y_@x_, np.array([x, y]), 1+grow, gaze

    def _seen(self, t, points): # (n,3) on the head -> (n,2) pixels
        _, turn, shift, scale, _ = self.pose(t)
        return self.middle+self.unit*scale*(((points-_PIVOT)@turn.T+_PIVOT)[...,:2]+shift)

    def vertices(self, t:float)->np.ndarray: # (V,2) in pixels; the first 68 are the landmarks
        "Where the corners of the face's triangles are"
        return self._seen(t, self.calm+np.tensordot(self.pose(t)[0], self.moves, 1))

    def _hang(self, sheet, box, at, part, depth, **more): # a flat sheet; `at` gives its (2,2) matrix and shift in half widths of a face
        h, w = sheet.shape[:2]
        up = np.array([[.5/self.unit, 0, box[0]-(w-1)/4/self.unit], [0, .5/self.unit, box[1]-(h-1)/4/self.unit], [0, 0, 1]])
        def place(t):
            m, shift = at(*self.pose(t))
            return np.vstack([np.column_stack([self.unit*m, self.middle+self.unit*shift]), [0,0,1]])@up
        self._add(Layer, sheet, place, part, depth, **more)

    def _still(self, sheet, box, part, depth, share): # what follows the head's shift and growth a little
        self._hang(sheet, box, lambda face, turn, shift, scale, gaze: ((1+share*(scale-1))*np.eye(2), .6*share*shift), part, depth)

    def _card(self, sheet, box, part, depth, z, looks=False, **more): # on the head, z before its middle
        def at(face, turn, shift, scale, gaze):
            m = turn[:2,:2]
            return scale*m, scale*(turn[:2]@(np.array([0,0,z])-_PIVOT)+_PIVOT[:2]+shift+(m@gaze if looks else 0))
        self._hang(sheet, box, at, part, depth, **more)

    def _trimmed(self, sheet, box): # without what is clear all around, but for a rim that the soft edge needs
        dots, rim = 2*self.unit, 4
        (x0, x1), (y0, y1) = ((max(at[0]-rim, 0), min(at[-1]+rim+1, n)) for at,n in ((np.flatnonzero(sheet[...,3].any(0)), sheet.shape[1]),
                                                                                 (np.flatnonzero(sheet[...,3].any(1)), sheet.shape[0])))
        middle = np.array([x0+x1-sheet.shape[1], y0+y1-sheet.shape[0]])/2/dots+box[:2]
        return sheet[y0:y1,x0:x1], (*middle, (x1-x0)/dots, (y1-y0)/dots)

    def _bend(self, sheet, box, cells, z, part, depth, hang): # a grid: above hang[0] it follows the head, below hang[1] the shoulders
        sheet, box = self._trimmed(sheet, box)
        (nx, ny), k = cells, (np.arange(cells[1])[:,None]*(cells[0]+1)+np.arange(cells[0])).ravel()
        x, y = (g.ravel() for g in np.meshgrid(np.linspace(-.5, .5, nx+1)*box[2]+box[0], np.linspace(-.5, .5, ny+1)*box[3]+box[1]))
        points, share = np.stack([x, y, z(x, y)], 1), _smooth(*hang, y)[:,None]
        triangles = np.concatenate([np.stack([k, k+1, k+nx+1], 1), np.stack([k+1, k+nx+2, k+nx+1], 1)])
        def place(t):
            _, _, shift, scale, _ = self.pose(t)
            return (1-share)*self._seen(t, points)+share*(self.middle+self.unit*(scale*points[:,:2]+.6*shift))
        self._add(_Skin, sheet, place, part, depth, rest=_texel(points[:,:2], box, 2*self.unit), triangles=triangles)

    def calm_points(self)->np.ndarray: # (68,2) in pixels
        "Landmarks of the calm face, looking straight ahead"
        return self.middle+self.unit*self.calm[:68,:2]

    def shot(self, t:float): # remembers the last one, since `points` looks at it too
        self.last = super().shot(t)
        return self.last

    def truth(self, now): # the face's parts lie on its sheet
        found, at = super().truth(now), now.front==self.face
        y, x = (p.astype(float) for p in np.nonzero(at))
        if len(x):
            u, v = (np.clip(np.round(p).astype(int), 0, n-1)
                    for p,n in zip(self.layers[self.face].texels(now.t, x, y), self.labels.shape[::-1]))
            found['parts'][at] = self.labels[v,u]
        return found

    def points(self, t:float)->np.ndarray: # (68,3): x and y in pixels, confidence
        "Landmarks; less sure where hair or glasses hide them, the head turns them away, or the picture ends"
        if getattr(self, 'last', None) is None or self.last.t!=t: self.shot(t)
        points, (h, w) = self.vertices(t)[:68], self.size
        x, y = (np.round(p).astype(int) for p in points.T)
        sure = ((x>=0)&(x<w)&(y>=0)&(y<h))*_smooth(.1, .55, self.facing@self.pose(t)[1][2])
        for k, (top, bottom, left, right), alpha in self.last.order[::-1]:
            if k==self.face: break
            on = (x>=left)&(x<right)&(y>=top)&(y<bottom)&self.layers[k].solid
            sure[on] *= 1-alpha[y[on]-top, x[on]-left]
        return np.column_stack([points, sure])

# the strokes of a face drawing, as lists of landmarks; 68 to 82 are those that `_with_forehead` adds
_STROKES = [[*range(17), *range(68,83), 0], [*range(17,22)], [*range(22,27)], [28,31], [*range(31,36)], [35,28],
            [36,37,38,39], [39,40,41,36], [42,43,44,45], [45,46,47,42],
            [*range(48,55)], [*range(54,60), 48], [*range(60,65)], [*range(64,68), 60]]

def _with_forehead(points): # (68,D) -> (83,D): the jaw's points mirrored on the line through its ends, two thirds as far from it
    jaw = points[1:16][::-1].copy()
    a, b = points[0,:2], points[16,:2]
    along = (b-a)/max(np.linalg.norm(b-a), 1e-9)
    away = jaw[:,:2]-a
    away = away-np.outer(away@along, along)
    jaw[:,:2] -= away*(1+2/3)
    return np.concatenate([points, jaw])

def draw_edges(
    points,         # (T,68,2) or (T,68,3): landmarks as x and y in pixels, and confidence
    size,           # (H,W) of the pictures
    forehead:bool=True, # close the face above the brows, as the papers do
    least:float=0., # a stroke that needs a point of less confidence is left out
)->torch.Tensor: # (T,1,H,W) float32 in 0..1
    "Landmarks as line drawings, one stroke for each feature"
    points = np.asarray(points, float)
    if points.ndim!=3 or points.shape[1]!=68 or points.shape[2] not in (2,3):
        raise InputError(f'draw_edges: points have shape {points.shape}; give (T,68,2) or (T,68,3)')
    return torch.from_numpy(np.stack([_drawing(face, size, forehead, least) for face in points]))[:,None]

def _drawing(face, size, forehead, least): # (68,2 or 3) -> (H,W) float32 in 0..1
    face, image = _with_forehead(face), np.zeros(size, np.uint8)
    for stroke in _STROKES:
        line = face[stroke if forehead or stroke[-1] else range(17)]
        if line.shape[1]==3 and line[:,2].min()<least: continue
        cv2.polylines(image, [np.round(_curve(line[:,:2])*16).astype(np.int32)], False, 255, max(1, min(size)//256), cv2.LINE_AA, 4)
    return image.astype(np.float32)/255

# landmarks that mirror each other, or lie in the middle
_PAIRS = [*((k, 16-k) for k in range(8)), (8,), *((k, 43-k) for k in range(17,22)), (27,), (28,), (29,), (30,), (31,35), (32,34), (33,),
          (36,45), (37,44), (38,43), (39,42), (40,47), (41,46), (48,54), (49,53), (50,52), (51,), (55,59), (56,58), (57,),
          (60,64), (61,63), (62,), (65,67), (66,)]

def fit_landmarks(
    points,    # (T,68,2) or (T,68,3): landmarks of whoever drives
    calm,      # (68,2+) landmarks of the same face at rest
    reference, # (68,2+) landmarks of the face to be driven, at rest
)->np.ndarray: # of the shape of `points`
    "Landmarks that move like one face and have the proportions of another: each pair scaled across and down, as seen from the chin"
    points, out = np.asarray(points, float), np.array(points, float)
    spread = lambda face, pair: np.abs(np.asarray(face, float)[list(pair),:2]-np.asarray(face, float)[8,:2]).mean(0)
    for pair in _PAIRS:
        own, other = spread(calm, pair), spread(reference, pair)
        scale = np.where(own>1e-3, other/np.maximum(own, 1e-3), 1.)
        out[:,pair,:2] = points[:,8:9,:2]+(points[:,pair,:2]-points[:,8:9,:2])*scale
    return out
