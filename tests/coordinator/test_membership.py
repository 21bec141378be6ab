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
