"""Synonyms of search words: the list that ships, and rows that staff edit."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from recommendations.models.boosts import SynonymGroup
from recommendations.query_parsing import synonyms
from recommendations.query_parsing.synonyms import Synonyms


class TestFinding:
    known = Synonyms.of([("pram, push chair, buggy", "travel system"), ("tv, television", "")])

    def test_words_of_a_group_find_each_other(self):
        assert set(self.known.find(["pram"])) == {("push", "chair"), ("buggy",), ("travel", "system")}
        assert set(self.known.find(["push", "chair"])) == {("pram",), ("buggy",), ("travel", "system")}

    def test_a_narrower_word_finds_none_of_the_others(self):
        assert self.known.find(["travel", "system"]) == ()

    @pytest.mark.parametrize("words", [["prams"], ["buggies"], ["televisions"]])
    def test_plurals_have_the_synonyms_of_their_singular(self, words):
        assert self.known.find(words)

    def test_a_word_of_two_groups_finds_both(self):
        both = Synonyms.of([("sofa, settee", ""), ("sofa, couch", "")])
        assert set(both.find(["sofa"])) == {("settee",), ("couch",)}
        assert both.find(["settee"]) == (("sofa",),)


@pytest.mark.django_db
class TestRows:
    def test_the_list_that_ships_is_stored_once(self):
        count = synonyms.load_shipped()
        assert count == len(set(synonyms.shipped())) > 100
        assert synonyms.load_shipped() == 0
        assert SynonymGroup.objects.filter(is_shipped=True).count() == count

    def test_every_group_that_ships_is_valid(self):
        for words, narrower in synonyms.shipped():
            SynonymGroup(words=words, narrower=narrower).clean()

    def test_an_edit_is_in_effect_a_second_later(self, now):
        assert synonyms.synonyms(now).find(["gizmo"]) == ()
        group = SynonymGroup.objects.create(words="gizmo, gadget")
        later = now + timedelta(seconds=1)
        assert synonyms.synonyms(later).find(["gizmo"]) == (("gadget",),)
        group.is_active = False
        group.save()
        assert synonyms.synonyms(later + timedelta(seconds=1)).find(["gizmo"]) == ()

    @pytest.mark.parametrize(
        "fields",
        [
            {"words": "sofa"},
            {"words": ", ,"},
            {"words": "", "narrower": "a, b"},
            {"words": ",".join(f"word{n}" for n in range(41))},
            {"words": "one two three four five, six"},
        ],
    )
    def test_a_group_that_says_nothing_or_too_much_is_refused(self, fields):
        with pytest.raises(ValidationError):
            SynonymGroup(**fields).clean()
