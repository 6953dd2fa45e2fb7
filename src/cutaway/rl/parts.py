"""What `cutaway.use` can put parts of one's own in the place of, in agents: the functions and the memory named here."""

from __future__ import annotations

import sys

from cutaway.plug import swap
from cutaway.rl.arithmetic import q_step, q_targets, returns_to_go
from cutaway.rl.policies import epsilon_greedy, policy_loss
from cutaway.rl.replay import Memory

__all__ = ["Memory", "epsilon_greedy", "policy_loss", "q_step", "q_targets", "returns_to_go"]

swap.SPACES.append(sys.modules[__name__])
