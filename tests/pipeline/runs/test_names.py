from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvalidRunName
from pipeline.runs.names import (
    RUN_NAME,
    blob_run,
    given_run,
    landing_key,
    manual_run,
    next_try,
    series,
    split_try,
    timer_run,
)
from pipeline.storage.etag import plain_etag

TICK = datetime(2026, 11, 23, 5, 0, 0, tzinfo=UTC)


class TestSeries:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("2018/08/28/site-a.csv", "2026/11/01/site-a.csv"),
            ("site-a/2026-11-28T05:00:00Z.csv", "site-a/2026-11-29T06:30:00Z.csv"),
            ("site-a/2026-11-28T05.csv", "site-a/2026-12-01T17.csv"),
            ("site-a_20261128_050000.csv.gz", "site-a_20261129_063000.csv.gz"),
            ("site-a_202611280500.csv", "site-a_202611280600.csv"),
            ("site-a/1767225600.csv", "site-a/1767229200123.csv"),
            ("2026/11/site-1.parquet", "2026/12/site-1.parquet"),
        ],
    )
    def test_landings_that_differ_by_dates_only_are_of_one_series(self, one, other):
        assert series(one) == series(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("2026/11/28/site-a.csv", "2026/11/28/site-b.csv"),
            ("2026/11/28/site-1.csv", "2026/11/28/site-2.csv"),
            ("2026/11/28/01.csv", "2026/11/28/02.csv"),
            ("2026-11-28-1001.csv", "2026-11-28-1002.csv"),
            ("plant-2001/a.csv", "plant-2002/a.csv"),
            ("a.csv", "b.csv"),
        ],
    )
    def test_numbers_that_can_be_those_of_sites_make_a_difference(self, one, other):
        """Why: sensors of another site that sent nothing here would be reported as silent."""
        assert series(one) != series(other)


class TestLandings:
    def test_the_key_of_a_landing_never_changes(self):
        key = landing_key("fleet", "data", "2018/08/28/site-a.csv", "0x8D5F0A1B2C3D4E5")
        assert key == "71ea4419f8cb64b8589f94f23a185f8e"
        assert blob_run(key) == f"blob-{key}"

    def test_quotes_around_an_etag_make_no_difference(self):
        plain = landing_key("fleet", "data", "a.csv", "0x8D")
        assert landing_key("fleet", "data", "a.csv", '"0x8D"') == plain
        assert plain_etag('W/"0x8D"') == "0x8D"

    @pytest.mark.parametrize(
        "other",
        [
            ("fleet2", "data", "a.csv", "0x8D"),
            ("fleet", "data2", "a.csv", "0x8D"),
            ("fleet", "data", "b.csv", "0x8D"),
            ("fleet", "data", "a.csv", "0x8E"),
            ("fleet", "dat", "aa.csv", "0x8D"),
        ],
    )
    def test_each_part_matters_and_so_does_where_it_ends(self, other):
        assert landing_key(*other) != landing_key("fleet", "data", "a.csv", "0x8D")


class TestTicksAndPeople:
    def test_a_tick_is_named_by_its_time_in_utc(self):
        assert timer_run(TICK) == "timer-20261123-050000"
        assert timer_run(TICK.astimezone(timezone(timedelta(hours=-8)))) == timer_run(TICK)

    def test_a_time_without_a_zone_is_not_a_name(self):
        with pytest.raises(ValueError, match="time zone"):
            timer_run(TICK.replace(tzinfo=None))

    def test_a_persons_run_has_time_and_chance_in_its_name(self):
        assert manual_run(TICK, "3fa94c") == "manual-20261123-050000-3fa94c"

    @pytest.mark.parametrize(
        "name", ["backfill", "august_2018", "A", "timer-20261123-050000", "x-1000", "x-02"]
    )
    def test_a_person_can_choose(self, name):
        assert given_run(name) == name

    @pytest.mark.parametrize(
        "name",
        ["", "-x", "_x", "a b", "a/b", "ä", "a\n", "x" * 201, "open", "landings", "published", "x-2", "x-99"],
    )
    def test_but_not_names_with_another_meaning(self, name):
        with pytest.raises(InvalidRunName, match="cannot name a run"):
            given_run(name)


class TestTries:
    def test_the_second_try_is_number_two(self):
        assert next_try("backfill") == "backfill-2"
        assert next_try("backfill-2") == "backfill-3"
        assert split_try("backfill-12") == ("backfill", 12)

    @pytest.mark.parametrize("run", [timer_run(TICK), manual_run(TICK, "123456"), blob_run("2" * 32)])
    def test_digits_of_a_time_or_a_key_are_not_a_try(self, run):
        assert split_try(run) == (run, 1)
        assert split_try(next_try(run)) == (run, 2)

    @given(st.from_regex(RUN_NAME, fullmatch=True).filter(lambda name: len(name) <= 200))
    def test_every_allowed_name_leads_through_its_tries(self, name):
        try:
            run = given_run(name)
        except InvalidRunName:
            return
        for number in range(2, 100):
            run = next_try(run)
            assert split_try(run) == (name, number)
            assert RUN_NAME.fullmatch(run)
