"""Bodies made of tubes: rings strung on bones become a mesh, which is drawn with light, and which knows where each of its points went"""
from dataclasses import dataclass

import cv2
import numpy as np

from .layers import Layer, _bounds

AROUND = 12  # corners of a ring; the first stands again at the end, because the painted sheet has a seam there

@dataclass(frozen=True)
class Ring:
    "A ring of a tube: where it hangs and how wide it is; lengths in heights"
    joint:int            # it hangs from this joint …
    bone:int             # … in the frame of this bone: left, up (against a limb's direction), front
    wide:float           # half of its width
    deep:float           # half of its depth
    shift:tuple = (0, 0, 0)  # left, up, front
    to:int = -1          # a joint that it is on the way to
    share:float = 0.     # how far on the way
    other:int = -1       # a second bone, so that joints bend without a crease
    mine:float = 1.      # weight of the first
    at:float = 0.        # where along the tube the painter finds it
    part:int = 0         # part id of the surface from here to the next ring

def _cross(a, b): # as np.cross, in a third of the time
    (ax, ay, az), (bx, by, bz) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    return np.stack([ay*bz-az*by, az*bx-ax*bz, ax*by-ay*bx], -1)

def _area(p): # twice the signed area of triangles (n,3,2)
    (px, py), (qx, qy), (rx, ry) = p.transpose(1, 2, 0)
    return (qx-px)*(ry-py)-(qy-py)*(rx-px)

def _inside(p, x, y): # triangles (n,3,2) and a point each -> shares of their second and third corners
    (px, py), (qx, qy), (rx, ry) = p.transpose(1, 2, 0)
    ax, ay, bx, by, dx, dy = qx-px, qy-py, rx-px, ry-py, x-px, y-py
    area = ax*by-ay*bx
    return (dx*by-dy*bx)/area, (ax*dy-ay*dx)/area

class Tubes:
    "Rings of several tubes as arrays, and the triangles between them"
    def __init__(self, tubes, at, frames): # lists of rings from end to end; joints (J,3) and frames (B,3,3) at rest
        rings = [r for tube in tubes for r in tube]
        table = lambda key: np.array([getattr(r, key) for r in rings])
        self.joint, self.bone, self.share, self.mine, self.shift = (table(k) for k in ('joint','bone','share','mine','shift'))
        self.to, self.other = (np.where(table(k)<0, table(d), table(k)) for k,d in (('to','joint'), ('other','bone')))
        self.radii, self.at, self.part = np.stack([table('wide'), table('deep')], 1), table('at'), table('part')
        ends = np.cumsum([0] + [len(tube) for tube in tubes])
        self.spans, last = [slice(a, b) for a,b in zip(ends, ends[1:])], np.isin(np.arange(len(rings)), ends[1:]-1)
        n = np.arange(len(rings))
        self.above, self.below = np.where(last, n, n+1), np.where(np.isin(n, ends[:-1]), n, n-1)
        angle = 2*np.pi*(np.arange(AROUND+1)/AROUND-.5)    # the seam is at the back, the middle of the sheet in front
        self.circle, self.bulge, self.way = np.stack([np.sin(angle), np.cos(angle)], 1), np.zeros((len(rings), AROUND+1)), np.ones(len(rings))
        places, normals = self.corners(at, frames)
        outward = ((places-places.mean(1, keepdims=True))*normals).sum((1, 2))
        for span in self.spans: self.way[span] = np.sign(outward[span].sum())   # tubes that are listed downwards
        self.rings = n[~last].repeat(2*AROUND)             # the ring that each triangle hangs from
        self.quads = np.concatenate([self._between(r) for r in n[~last]])
        self.triangles = self.quads[:,[[0, 1, 3], [3, 1, 2]]].reshape(-1, 3)   # 2q and 2q+1 are halves of q
        self.rest = places

    def _between(self, r): # (12,4): corners of the patches from ring r to the next, clockwise in a picture (y down) when seen from outside
        a = np.arange(AROUND) + r*(AROUND+1)
        b = a + AROUND+1
        return np.stack([a, b, b+1, a+1] if self.way[r]>0 else [a, a+1, b+1, b], 1)

    def corners(self, at, frames, radii=None): # joints (J,3), frames (B,3,3), other radii (R,2) -> places (R,13,3) and outward normals
        "Hang the rings on the bones"
        f = self.mine[:,None,None]*frames[self.bone] + (1-self.mine)[:,None,None]*frames[self.other]
        up = f[:,:,1]/np.linalg.norm(f[:,:,1], axis=1, keepdims=True)
        left = f[:,:,0] - up*(f[:,:,0]*up).sum(1, keepdims=True)
        left /= np.linalg.norm(left, axis=1, keepdims=True)
        front = _cross(left, up)
        axes = np.stack([left, up, front], 1)
        middle = at[self.joint] + self.share[:,None]*(at[self.to]-at[self.joint]) + (self.shift[:,:,None]*axes).sum(1)
        flat = (self.radii if radii is None else radii)[:,None]*self.circle
        flat[...,1] += self.bulge
        places = middle[:,None] + flat @ axes[:,[0,2]]
        around = np.roll(places[:,:-1], -1, 1)-np.roll(places[:,:-1], 1, 1)
        n = _cross(np.concatenate([around, around[:,:1]], 1), places[self.above]-places[self.below])*self.way[:,None,None]
        return places, n/np.maximum(np.linalg.norm(n, axis=-1, keepdims=True), 1e-12)

    def layout(self, density): # texels a height -> size (h,w) of the sheet, texels of the corners (R,13,2), rows of each tube
        "Lay the tubes out on one sheet, one below the other, each unrolled from its seam"
        texels, rows, top, widest = np.zeros((*self.rest.shape[:2], 2)), [], 1, 0
        for span in self.spans:
            p = self.rest[span]
            steps = np.linalg.norm(np.diff(p, axis=0), axis=-1).max(1)
            width = max(np.linalg.norm(np.diff(p, axis=1), axis=-1).sum(1).max()*density, 4)
            down = np.concatenate([[0], np.cumsum(steps)])*density
            texels[span] = np.stack(np.broadcast_arrays(np.linspace(1, width, AROUND+1), top+down[:,None]), -1)
            rows.append((top, int(np.ceil(top+down[-1]))+1, int(np.ceil(width))+2))
            top, widest = rows[-1][1]+2, max(widest, rows[-1][2])
        return (top, widest), texels, rows

def _blend(corners, b): return np.einsum('nkc,nk->nc', corners, b)   # values at three corners (n,3,C), shares (n,3)

@dataclass(eq=False)
class _Moment: # the mesh at one time: pixels (V,2), distance (V,), light (V,), triangles from back to front, and which is on top
    pixels:np.ndarray
    far:np.ndarray
    light:np.ndarray
    order:np.ndarray
    box:tuple
    top:np.ndarray   # (2h,2w) int32 at half a pixel: place in `order`, -1 outside
    maps:tuple|None = None   # triangle (h,w) and shares (h,w,3) of each pixel

class Body(Layer):
    "A layer that is a mesh of tubes: `place` gives joints and frames at time t, `view` takes places (N,3) at t to pixels and distances"
    lamp = np.array([-.5, .62, .6])     # where the light comes from: left, above, in front
    def __init__(self, sheet, place, tubes, texels, view, size, shaded=1., deeper=0., **more):
        super().__init__(sheet, place, **more)
        self.tubes, self.flat, self.view, self.size, self.shaded, self.deeper, self.kept = tubes, texels.reshape(-1, 2), view, size, shaded, deeper, {}
        self.parts = tubes.part[tubes.rings]
        self.chart = self._chart()

    def _chart(self): # (K,3,2): where the corners of each triangle lie on its part, around and along, 0 to 1
        t = self.tubes
        around, along = np.tile(np.arange(AROUND+1)/AROUND, len(t.at))[t.triangles], np.repeat(t.at, AROUND+1)[t.triangles]
        for part in np.unique(self.parts):
            a = along[self.parts==part]
            along[self.parts==part] = (a-a.min())/max(a.max()-a.min(), 1e-9)
        return np.stack([around, along], -1)

    def moment(self, t): # kept for the last few times, because frames and truth ask for the same ones
        if t not in self.kept:
            while len(self.kept)>3: self.kept.pop(next(iter(self.kept)))
            self.kept[t] = self._moment(t)
        return self.kept[t]

    def _moment(self, t):
        places, normals = self.tubes.corners(*self.place(t))
        pixels, far = self.view(t, places.reshape(-1, 3))
        far = far+self.deeper
        light = self._light(normals.reshape(-1, 3))
        area = _area(pixels[self.tubes.triangles]).reshape(-1, 2)
        faces = np.flatnonzero(area.sum(1)>1e-9)
        order = faces[np.argsort(-far[self.tubes.quads[faces]].sum(1))]
        box = _bounds(pixels, self.size)
        top = None if box is None else self._top(pixels[self.tubes.quads[order]], box)
        return _Moment(pixels, far, light, order, box, top)

    def _light(self, normals): # soft light from one side, a little from below, and dark rims
        side = normals @ (self.lamp/np.linalg.norm(self.lamp))
        light = .6 + .42*np.clip(.25+.75*side, 0, 1) + .1*np.clip(normals[:,2], 0, 1) - .04
        return 1 + self.shaded*(light-1)

    def _top(self, corners, box): # half a pixel apart; pixel p of the picture holds 2p and 2p+1
        image = np.full((2*(box[1]-box[0]), 2*(box[3]-box[2])), -1, np.int32)
        fine = np.round((2*(corners-[box[2], box[0]])+.5)*256).astype(np.int32)
        for n,patch in enumerate(list(fine)): cv2.fillConvexPoly(image, patch, n, cv2.LINE_8, 8)
        return image

    def _shares(self, m, q, x, y): # patches and pixels -> triangles (n,), barycentric coordinates (n,3), pulled inside
        s, r = _inside(m.pixels[self.tubes.quads[q][:,[0,1,3]]], x, y)
        beyond = s+r>1                                    # across the diagonal: the other half, unless it's turned away
        if beyond.any(): beyond[beyond] = _area(m.pixels[self.tubes.triangles[2*q[beyond]+1]])>1e-9
        if beyond.any(): s[beyond], r[beyond] = _inside(m.pixels[self.tubes.triangles[2*q[beyond]+1]], x[beyond], y[beyond])
        shares = np.maximum(np.stack([1-s-r, s, r], 1), 0)
        return 2*q+beyond, shares/shares.sum(1, keepdims=True)

    def draw(self, t, size):
        m = self.moment(t)
        if m.box is None: return None
        y, x = np.nonzero(m.top>=0)
        k, shares = self._shares(m, m.order[m.top[y,x]], x/2-.25+m.box[2], y/2-.25+m.box[0])
        corners = self.tubes.triangles[k]
        u, v = _blend(self.flat[corners], shares).T.astype(np.float32)
        out = np.zeros((*m.top.shape, 4), np.float32)
        out[y,x] = _look_up(self.sheet, u, v)*np.r_[np.ones(3), 0].astype(np.float32)
        out[y,x,:3] *= (m.light[corners]*shares).sum(1, keepdims=True).astype(np.float32)
        out[y,x,3] = 1
        return m.box, cv2.resize(out, None, fx=.5, fy=.5, interpolation=cv2.INTER_AREA)

    def found(self, t, x, y): # pixels of the picture where the body is -> its moment, their triangles and shares
        m = self.moment(t)
        if m.maps is None:
            n = np.maximum.reduce([m.top[j::2,i::2] for j in (0, 1) for i in (0, 1)])   # the nearest of a pixel's quarters
            py, px = np.nonzero(n>=0)
            m.maps = np.zeros(n.shape, int), np.zeros((*n.shape, 3))
            m.maps[0][py,px], m.maps[1][py,px] = self._shares(m, m.order[n[py,px]], px+float(m.box[2]), py+float(m.box[0]))
        at = np.round(y).astype(int)-m.box[0], np.round(x).astype(int)-m.box[2]
        return m, m.maps[0][at], m.maps[1][at]

    def texels(self, t, x, y):
        _, k, shares = self.found(t, x, y)
        return tuple(_blend(self.flat[self.tubes.triangles[k]], shares).T)

    def moved(self, t, s, x, y):
        m, k, shares = self.found(t, x, y)
        corners = self.tubes.triangles[k]
        step = _blend(self.moment(s).pixels[corners]-m.pixels[corners], shares)
        return x+step[:,0], y+step[:,1]

    def faces(self, t, s, x, y, close=.018): # heights that two surfaces may be apart and be one
        "Which of these pixels can be seen at time `s`, as far as the body itself is concerned: they face us, and no other part is before them"
        m, k, shares = self.found(t, x, y)
        then, corners = self.moment(s), self.tubes.triangles[k]
        p = then.pixels[corners]
        to, far = _blend(p, shares), (then.far[corners]*shares).sum(1)
        return (_area(p)>0) & (far<self.nearest(s, to)+close)

    def nearest(self, t, points): # (n,2) pixels -> distance of the body there, infinite beside it
        m, out = self.moment(t), np.full(len(points), np.inf)
        if m.box is None: return out
        x, y = np.round(2*(points[:,0]-m.box[2])+.5).astype(int), np.round(2*(points[:,1]-m.box[0])+.5).astype(int)
        inside = (x>=0)&(y>=0)&(x<m.top.shape[1])&(y<m.top.shape[0])
        inside[inside] = m.top[y[inside],x[inside]]>=0
        k, shares = self._shares(m, m.order[m.top[y[inside],x[inside]]], *points[inside].T)
        out[inside] = (m.far[self.tubes.triangles[k]]*shares).sum(1)
        return out

def _look_up(sheet, u, v): # bilinear, for lists of any length: OpenCV's maps have short sides
    grid = [np.pad(p, (0, -len(p)%256)).reshape(-1, 256) for p in (u, v)]
    return cv2.remap(sheet, *grid, cv2.INTER_LINEAR).reshape(-1, 4)[:len(u)]
