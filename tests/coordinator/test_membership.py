from hypothesis import given
from hypothesis import strategies as st

from coordinator.membership import Member, Membership

LIVENESS_S = 3.0
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "hear", "remove", "excuse"]),
        st.sampled_from("abcd"),
        st.floats(0, 2 * LIVENESS_S),
    ),
    max_size=40,
)


@given(STEPS)
def test_silent_says_the_same_as_a_look_at_everybody_each_time(steps: list[tuple[str, str, float]]) -> None:
    membership, now = Membership(), 0.0
    for step, name, later in steps:
        now += later
        member = membership.named(name)
        if step == "add":
            membership.add(Member(name, name.encode(), auditor=False, declared=None, heard=now))
        elif step == "excuse":
            membership.excuse(now)
        elif member is not None and step == "hear":
            member.heard = now
        elif member is not None:
            membership.remove(member)
        silent = [member for member in membership.everybody() if now - member.heard > LIVENESS_S]
        assert membership.silent(now, LIVENESS_S) == silent


ABOUT_READY = st.lists(
    st.tuples(st.sampled_from(["add", "ready", "remove"]), st.sampled_from("abc"), st.booleans()),
    max_size=30,
)


@given(ABOUT_READY)
def test_who_is_ready_is_who_has_said_so_since_it_joined(steps: list[tuple[str, str, bool]]) -> None:
    membership = Membership()
    for step, name, auditor in steps:
        member = membership.named(name)
        if step == "add":
            membership.add(Member(name, name.encode(), auditor, declared=None, heard=0.0))
        elif member is not None and step == "ready":
            membership.get_ready(member)
        elif member is not None:
            membership.remove(member)
        ready = [member for member in membership.everybody() if member.ready]
        assert membership.ready_trainers() == [member for member in ready if not member.auditor]
        assert membership.trainers_ready == len(membership.ready_trainers())
        assert membership.ready_auditors() == [member for member in ready if member.auditor]
