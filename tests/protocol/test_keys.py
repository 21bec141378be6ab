"""Keys: what their files say, and what is wrong with them."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zmq.utils import z85

from protocol import key_files
from protocol.errors import UsageProblem
from protocol.keys import AllowList, KeyPair, is_name, is_public, parse_allowed, parse_key, parse_public

ANN, BOB = KeyPair.new("ann"), KeyPair.new("bob")
LINES = ANN.public_line + BOB.public_line
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
publics = st.binary(min_size=32, max_size=32).map(lambda raw: z85.encode(raw).decode())
nonsense = st.one_of(st.text(), st.lists(st.sampled_from([*LINES, "\n", " ", "#", ANN.public])).map("".join))


def outcome(parse: Callable[[str, str], object], text: str) -> tuple[object, str | None]:
    """What it found, or the problem."""
    try:
        return parse(text, "f"), None
    except UsageProblem as problem:
        return None, str(problem)


class TestParsing:
    def test_what_is_written_is_read(self) -> None:
        assert parse_key(ANN.key_line, "f") == ANN
        assert parse_public(ANN.public_line, "f") == ("ann", ANN.public)
        assert dict(parse_allowed(LINES, "f").names) == {ANN.public: "ann", BOB.public: "bob"}

    def test_the_secret_is_not_shown(self) -> None:
        assert ANN.secret not in repr(ANN)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "f: empty; make a key with fedmeta keys new"),
            (ANN.public_line, "f: a public key, where a secret key is wanted"),
            ("hello\n", "f: no key, where a secret key is wanted"),
            (ANN.key_line.replace(ANN.public, BOB.public), "f: damaged: its public key does not belong to"),
            (ANN.key_line.rsplit(" ", 1)[0], "f: damaged; it should be one line"),
            (ANN.key_line.replace(ANN.secret, ANN.secret[:-1]), "f: damaged; it should be one line"),
            (ANN.key_line.replace(ANN.secret, "#" * 40), "f: damaged; it should be one line"),
        ],
    )
    def test_a_wrong_key_file_says_what_it_is(self, text: str, says: str) -> None:
        with pytest.raises(UsageProblem, match=says.replace("(", r"\(")):
            parse_key(text, "f")

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (" \n", "f: empty"),
            (ANN.key_line, "f: a secret key, which stays with its owner"),
            (f"{ANN.public}\n", "f: no public key"),
            (LINES, "f: no public key"),
        ],
    )
    def test_a_wrong_public_file_says_what_it_is(self, text: str, says: str) -> None:
        with pytest.raises(UsageProblem, match=says):
            parse_public(text, "f")

    def test_remarks_blank_lines_and_a_line_twice_are_nothing(self) -> None:
        text = f"# ours\n\n{ANN.public_line}   \n{ANN.public_line}\r\n{BOB.public_line}"
        assert parse_allowed(text, "f") == parse_allowed(LINES, "f")

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("ann", "line 3: not NAME PUBLIC"),
            (f"eve {ANN.public[:-1]}", "line 3: not NAME PUBLIC"),
            (f"-eve {ANN.public}", "line 3: not NAME PUBLIC"),
            (ANN.key_line, "line 3: not NAME PUBLIC"),
            (f"eve {ANN.public}", "line 3: this key is that of ann already"),
            (f"ann {KeyPair.new('x').public}", "line 3: ann has another key already"),
        ],
    )
    def test_nonsense_in_an_allow_list_names_its_line(self, line: str, says: str) -> None:
        with pytest.raises(UsageProblem, match=says):
            parse_allowed(f"{LINES}{line}\n", "f")

    @given(st.dictionaries(publics, names, max_size=8))
    def test_any_list_with_different_names_is_read_as_it_was_written(self, wanted: dict[str, str]) -> None:
        one_each = {name: public for public, name in wanted.items()}
        text = "".join(f"{name} {public}\n" for name, public in one_each.items())
        assert dict(parse_allowed(text, "f").names) == {public: name for name, public in one_each.items()}

    @given(nonsense)
    def test_any_other_text_is_refused_with_one_line_or_holds_only_good_keys(self, text: str) -> None:
        for parse in (parse_key, parse_public, parse_allowed):
            found, problem = outcome(parse, text)
            if problem is not None:
                assert problem.startswith("f")
                assert "\n" not in problem
            if isinstance(found, AllowList):
                assert all(is_public(public) and is_name(name) for public, name in found.names.items())
                assert len(set(found.names.values())) == len(found.names)


class TestFiles:
    def test_a_new_key_is_for_its_owner_alone_whatever_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            key_files.write_pair(tmp_path / "keys", ANN)
        finally:
            os.umask(before)
        assert (tmp_path / "keys" / "ann.key").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
        assert key_files.read_key(tmp_path / "keys" / "ann.key") == ANN
        assert key_files.read_public(str(tmp_path / "keys" / "ann.pub")) == ANN.public
        assert key_files.read_public(ANN.public) == ANN.public

    @pytest.mark.parametrize("name", ["coordinator.pub", "coordinator"])
    def test_a_path_that_has_the_form_of_a_key_is_a_path(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        folder = Path("k" * (39 - len(name)))
        path = str(folder / name)
        assert is_public(path)
        key_files.write_pair(folder, ANN)
        (folder / "ann.pub").rename(path)
        assert key_files.read_public(path) == ANN.public

    def test_a_pub_file_that_is_not_there_is_no_key(self) -> None:
        path = "keys/" + "x" * 31 + ".pub"
        assert is_public(path)
        with pytest.raises(UsageProblem, match=r"not there; name the \.pub file"):
            key_files.read_public(path)

    def test_a_key_that_is_there_is_not_overwritten(self, tmp_path: Path) -> None:
        key_files.write_pair(tmp_path, ANN)
        with pytest.raises(UsageProblem, match=r"ann\.key: is there already"):
            key_files.write_pair(tmp_path, KeyPair.new("ann"))
        assert key_files.read_key(tmp_path / "ann.key") == ANN

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
    def test_a_key_that_others_may_use_is_refused(self, tmp_path: Path, mode: int) -> None:
        key_files.write_pair(tmp_path, ANN)
        path = tmp_path / "ann.key"
        path.chmod(mode)
        with pytest.raises(UsageProblem, match=rf"\(mode {mode:04o}\); chmod 600 {path}"):
            key_files.read_key(path)

    def test_a_file_that_is_not_there_or_no_file_or_no_text(self, tmp_path: Path) -> None:
        with pytest.raises(UsageProblem, match=r"ann\.key: not there; make a key with fedmeta keys new ann"):
            key_files.read_key(tmp_path / "ann.key")
        with pytest.raises(UsageProblem, match="cannot be used: Is a directory"):
            key_files.read_key(tmp_path)
        with pytest.raises(UsageProblem, match="nobody could join; allow somebody"):
            key_files.read_allowed(tmp_path)
        with pytest.raises(UsageProblem, match=r"ann\.pub: not there; name the \.pub file that fedmeta"):
            key_files.read_public(str(tmp_path / "ann.pub"))
        (tmp_path / "allowed").write_bytes(ANN.public_line.encode() + b"\xff")
        with pytest.raises(UsageProblem, match="allowed, line 2: not text"):
            key_files.read_allowed(tmp_path)

    def test_allow_and_revoke_leave_what_else_is_written_there(self, tmp_path: Path) -> None:
        (tmp_path / "allowed").write_text(f"# ours\n{ANN.public_line.strip()}")
        assert key_files.allow(tmp_path, "bob", BOB.public)
        assert not key_files.allow(tmp_path, "bob", BOB.public)
        key_files.revoke(tmp_path, "ann")
        assert (tmp_path / "allowed").read_text() == f"# ours\n{BOB.public_line}"
        with pytest.raises(UsageProblem, match="does not name ann; allowed are: bob"):
            key_files.revoke(tmp_path, "ann")
        with pytest.raises(UsageProblem, match="bob has another key; take that back first"):
            key_files.allow(tmp_path, "bob", ANN.public)
        with pytest.raises(UsageProblem, match="this key is that of bob"):
            key_files.allow(tmp_path, "ann", BOB.public)

    @pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
    def test_a_list_that_others_may_change_is_refused(self, tmp_path: Path, mode: int) -> None:
        (tmp_path / "allowed").write_text(ANN.public_line)
        (tmp_path / "allowed").chmod(mode)
        with pytest.raises(UsageProblem, match=rf"may change this list \(mode {mode:04o}\).* chmod go-w"):
            key_files.read_allowed(tmp_path)

    def test_a_list_that_we_write_is_one_that_we_read_whatever_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            key_files.allow(tmp_path, "ann", ANN.public)
            (tmp_path / "allowed").chmod(0o600)
            key_files.allow(tmp_path, "bob", BOB.public)
        finally:
            os.umask(before)
        assert (tmp_path / "allowed").stat().st_mode & 0o777 == 0o600
        assert len(key_files.read_allowed(tmp_path).names) == 2

    def test_changes_at_the_same_time_are_all_made(self, tmp_path: Path) -> None:
        pairs = [KeyPair.new(f"p{number}") for number in range(32)]
        with ThreadPoolExecutor(8) as several:
            list(several.map(lambda pair: key_files.allow(tmp_path, pair.name, pair.public), pairs))
        assert len(key_files.read_allowed(tmp_path).names) == len(pairs)

    def test_a_list_that_is_a_pipe_is_no_reason_to_wait(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "allowed")
        with pytest.raises(UsageProblem, match="allowed: not a file"):
            key_files.read_allowed(tmp_path)

    def test_a_secret_key_may_come_through_a_pipe(self, tmp_path: Path) -> None:
        reading, writing = os.pipe()
        os.write(writing, ANN.key_line.encode())
        os.close(writing)
        assert key_files.read_key(Path(f"/dev/fd/{reading}")) == ANN
        os.close(reading)

    def test_keys_of_a_run_are_made_once_and_the_revoked_stay_so(self, tmp_path: Path) -> None:
        key_files.provide(tmp_path, ["ann", "bob"])
        first = key_files.read_key(tmp_path / "bob.key")
        key_files.revoke(tmp_path, "ann")
        key_files.provide(tmp_path, ["ann", "bob", "cid"])
        assert key_files.read_key(tmp_path / "bob.key") == first
        assert sorted(key_files.read_allowed(tmp_path).names.values()) == ["bob", "cid"]
        assert key_files.read_key(tmp_path / "coordinator.key").name == "coordinator"
