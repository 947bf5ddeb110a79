"""Tokens: what is found by which query, in the scripts of the world."""

import pytest

from models.messages.tokens import MAX_LENGTH, query, tokens


def found(asked: str, text: str) -> bool:
    wanted = query(asked)
    there = tokens(text)
    begun = wanted.prefix is None or any(word.startswith(wanted.prefix) for word in there)
    return bool(wanted.words or wanted.prefix) and set(wanted.words) <= there and begun


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("hello", "Hello, world!"),
        ("HELLO", "hello"),
        ("hel", "Hello"),
        ("world hello ", "Hello, world"),
        ("jose", "José"),
        ("José", "jose"),
        ("cafe", "un café"),
        ("cafe", "un cafe\u0301"),
        ("gruße", "GRÜSSE"),
        ("grusse", "Grüße"),
        ("ﬁn", "the fin"),
        ("ｗｉｄｅ", "wide"),
        ("東京", "東京タワーへ行きました"),
        ("東", "東京タワーへ行きました"),
        ("タワー", "東京タワーへ行きました"),
        ("ﾀﾜｰ", "東京タワーへ行きました"),
        ("が", "か\u3099"),
        ("안녕", "안녕하세요"),
        ("สวัสดี", "สวัสดีครับ"),
        ("ไทย", "ภาษาไทย"),
        ("नमस्ते", "नमस्ते दुनिया"),
        ("שלום", "שָׁלוֹם"),
        ("سلام", "سَلَام"),
        ("Привет", "ПРИВЕТ, мир"),
        ("😀", "well 😀 done"),
        ("👍", "ok 👍🏽"),
        ("👍🏿", "ok 👍🏽"),
        ("❤", "I ❤️ it"),
        ("👩‍💻", "the 👩‍💻 writes"),
        ("💻", "the 👩‍💻 writes"),
        ("🇩🇪", "to 🇩🇪🇫🇷"),
        ("v2.0", "we ship v2.0 today"),
        ("snake_case", "a snake_case name"),
        ("𠮷野", "𠮷野家"),
    ],
)
def test_a_text_is_found(asked: str, text: str):
    assert found(asked, text)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("hel ", "Hello"),
        ("ello", "Hello"),
        ("hello there", "hello"),
        ("京東", "東京"),
        ("कि", "कु"),
        ("🇪🇫", "to 🇩🇪🇫🇷"),
        ("😀", "😁"),
        ("", "anything"),
        (" .,;!? ", "anything"),
        ("-", "a-b"),
    ],
)
def test_another_text_is_not(asked: str, text: str):
    assert not found(asked, text)


def test_a_long_word_is_cut_off_on_both_sides():
    assert found("a" * 5000, "A" * 5000)
    assert all(len(token) <= MAX_LENGTH for token in tokens("a" * 5000 + " 東" * 500))


def test_the_last_word_may_be_unfinished_the_others_may_not():
    assert query("good mor") == (("good",), "mor")
    assert query("good mor ") == (("good", "mor"), None)
    assert query("good 東") == (("good", "東"), None)
