"""What sparse tensors print, for a table of expressions: layout, order of the entries, dtype, history, as PyTorch has them."""

from __future__ import annotations

import re
import warnings

import pytest

import cutaway
from cutaway.core.package import named

torch = pytest.importorskip("torch")

NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]\d+)?")
EXPRESSIONS = """
c.coalesce().t().coalesce()
t.cat([s,s])
t.cat([s,s],1)
t.stack([s,s])
t.stack([s,s],-1)
s.index_select(1,t.tensor([2]))
t.select(s,0,1)
s.T
s.mT
u.abs()
u.relu()
u.sum(0)
u.sum(1,keepdim=True)
c.sum(0,keepdim=True)
h
h.sum(1)
t.sparse.sum(h,1)
t.sparse.sum(c,0,dtype=t.float64)
t.sparse.softmax(u,1)
t.sparse.softmax(h,0)
t.sparse.softmax(h,1)
t.sparse.log_softmax(u,1)
s.sparse_mask(c)
u.sparse_mask(c)
t.smm(s,t.ones(3,2))
t.hspmm(s,t.ones(3,2))
s.half()
s.double()
s.isnan()
s.log1p()
2*s
s//2
s.floor_divide(2)
s.clone().zero_()
r
t.sparse.mm(r,X).sum().backward(); r.grad
r.to_dense().pow(2).sum().backward(); r.grad
r.coalesce().values().pow(2).sum().backward(); r.grad
t.sparse.sum(r).backward(); r.grad
t.sparse.sum(r,0).to_dense().sum().backward(); r.grad
(r*2).to_dense().sum().backward(); r.grad
(r+r).to_dense().sum().backward(); r.grad
(r*r).to_dense().sum().backward(); r.grad
t.sparse.softmax(r,1).to_dense().pow(2).sum().backward(); r.grad
d
d.coalesce()
d.t()
d*2
d+d
d@X
t.sparse.mm(d,X)
t.mm(d,X)
d.to_dense()
d.coalesce().values()
t.autograd.grad(t.sparse.mm(r,X).sum(), [r,X])
y=X.to_sparse(); y
y=X.sparse_mask(s.t().coalesce()); y
y=X.t()*d; y
(t.ones(2,3,requires_grad=True)+d)
t.cat([d,d])
e=nn.Embedding(5,3,sparse=True); e.weight.data.fill_(1); e(t.tensor([1,3,1])).sum().backward(); e.weight.grad
e=nn.Embedding(5,3,sparse=True,padding_idx=1); e(t.tensor([[1,3],[1,0]])).sum().backward(); e.weight.grad
e=nn.Embedding(5,3,sparse=True); (e(t.tensor([1])).sum()+e(t.tensor([2])).sum()).backward(); e.weight.grad
e=nn.EmbeddingBag(5,3,sparse=True,mode='sum'); e(t.tensor([1,1,2]),t.tensor([0,2])).sum().backward(); e.weight.grad
e=nn.Embedding(5,3,sparse=True); o=t.optim.SGD(e.parameters(),.1); e(t.tensor([1,1,2])).sum().backward(); o.zero_grad(set_to_none=False); e.weight.grad
k
k.t()
k.to_sparse()
k.to_sparse_coo()
k*2
k+k
k*k
k.sum(1,keepdim=True)
k.relu()
k.neg()
k[0]
k.clone()
k.to_sparse_csc()
k.requires_grad_()
k.double()
-k
k.abs()
t.sparse_csr_tensor(t.tensor([0,1,3]),t.tensor([2,0,2]),t.tensor([1.,2.,3.]),(2,3))
t.sparse_csr_tensor([0,1,3],[2,0,2],[1.,2.,3.])
t.sparse_coo_tensor([[0,1],[1,0]],[1.,2.])
t.sparse_coo_tensor([[0,1],[1,0]],[1,2],(2,2))
t.sparse_coo_tensor([[0,1],[1,0]],[1.,2.],(2,2),dtype=t.float64)
t.sparse_coo_tensor(t.tensor([[0.,1.],[1,0]]),t.tensor([1.,2.]),(2,2))
t.sparse_coo_tensor((2,3))
t.sparse_coo_tensor(size=(2,3))
t.sparse_coo_tensor(t.empty(2,0),t.empty(0),(2,3))
t.sparse_coo_tensor(i,vr,(2,3),requires_grad=True)
t.sparse.FloatTensor(i,v,t.Size([2,3]))
t.sparse.LongTensor(i,v.long(),t.Size([2,3]))
t.sparse.FloatTensor(i,v.double(),t.Size([2,3]))
t.sparse.FloatTensor(2,3)
t.sparse.FloatTensor(i,v)
m=nn.Module(); m.register_buffer('a',s); m.state_dict()
m=nn.Module(); m.register_buffer('a',s); m.double().a
s.copy_(u); s
s+=s; s
s*=2; s
s.mul_(2); s
s.div_(2); s
s.pow(-1)
s.pow(0.5)
s@c.t()
F.relu(s)
t.sparse.spdiags(t.ones(1,3),t.tensor([0]),(3,3))
s.mul(t.ones(3))
s*t.ones(1,3)
s*t.tensor(2.)
t.tensor(2.)*s
s/t.tensor(2.)
s*t.ones(2,1)
s.to(t.int64)
s.type(t.float64)
s.type(t.sparse.DoubleTensor)
s.sparse_resize_((3,3),2,0)
s.sparse_resize_and_clear_((3,3),2,0)
t.zeros(2,3,layout=t.sparse_coo)
t.empty(2,3,layout=t.sparse_coo)
h*2
h.index_select(0,t.tensor([2,0]))
h.index_select(1,t.tensor([1]))
u[0]
u[1]
u[-1]
s[None]
s.unsqueeze(-1)
s.to_sparse(2)
u.to_sparse_csr()
X.detach().to_sparse_csr()
u.sparse_mask(u)
s.sin()
[x for x in s]
t.sparse.sum(d, dim=1)
""".strip().splitlines()


def scope(t):
    """A matrix in three states of order, one whose entries are rows, a leaf, one with a history, and one by rows."""
    i, v = t.tensor([[0, 1, 1], [2, 0, 2]]), t.tensor([3.0, 4.0, 5.0])
    s = t.sparse_coo_tensor(i, v, (2, 3))
    u = t.sparse_coo_tensor(t.tensor([[0, 1, 1, 0], [2, 0, 0, 1]]), t.tensor([1.0, 2, 3, 4]), (2, 3))
    h = t.sparse_coo_tensor(t.tensor([[0, 2, 2]]), t.arange(6.0).view(3, 2), (4, 2))
    vr = v.clone().requires_grad_()
    return {
        "t": t, "nn": t.nn, "F": t.nn.functional, "i": i, "v": v, "s": s, "c": s.coalesce(), "u": u, "h": h, "vr": vr,
        "r": t.sparse_coo_tensor(i, v, (2, 3), requires_grad=True), "d": t.sparse_coo_tensor(i, vr, (2, 3)),
        "X": t.arange(6.0).view(3, 2).requires_grad_(), "k": s.coalesce().to_sparse_csr(),
    }  # fmt: skip


def printed(t, expression):
    *before, last = (part.strip() for part in expression.split(";"))
    with warnings.catch_warnings(), named("torch"):
        warnings.simplefilter("ignore")
        names = scope(t)
        for line in before:
            exec(line, names)
        return repr(eval(last, names))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_prints_as_pytorch(expression):
    ours, theirs = printed(cutaway, expression), printed(torch, expression)
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    assert [*map(float, NUMBER.findall(ours))] == pytest.approx([*map(float, NUMBER.findall(theirs))], rel=1e-4, abs=1e-4)
