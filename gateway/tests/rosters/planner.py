"""A planning tool that others wrote (icalendar): reads our files, and writes its own."""

import json
import sys
from datetime import datetime, timedelta

import pytz
from icalendar import Calendar, Event

ZONE = pytz.timezone("Europe/Stockholm")


def ms(moment):
    return int(moment.timestamp() * 1000)


def read():
    calendar = Calendar.from_ical(sys.stdin.buffer.read())
    assert calendar["VERSION"] == "2.0" and calendar["PRODID"]
    events = calendar.walk("VEVENT")
    assert len({event["UID"] for event in events}) == len(events)
    assert all("DTSTAMP" in event for event in events)
    json.dump(
        [[str(event["SUMMARY"]), ms(event["DTSTART"].dt), ms(event["DTEND"].dt)] for event in events], sys.stdout
    )


def write():
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//Planner//EN")
    nights = Event()
    nights.add("uid", "nights")
    nights.add("dtstamp", datetime(2026, 1, 1, tzinfo=pytz.utc))
    nights.add("summary", "Anna Ström, Bo")
    nights.add("description", "Nyckel, kod; se pärmen. " * 10)
    nights.add("dtstart", ZONE.localize(datetime(2026, 3, 27, 22)))
    nights.add("dtend", ZONE.localize(datetime(2026, 3, 28, 6)))
    nights.add("rrule", {"freq": "weekly", "byday": ["fr", "sa"], "count": 4})
    nights.add("exdate", ZONE.localize(datetime(2026, 4, 3, 22)))
    calendar.add_component(nights)
    once = Event()
    once.add("uid", "once")
    once.add("dtstamp", datetime(2026, 1, 1, tzinfo=pytz.utc))
    once.add("summary", "Bo")
    once.add("dtstart", datetime(2026, 4, 3, 20, tzinfo=pytz.utc))
    once.add("dtend", datetime(2026, 4, 3, 20, tzinfo=pytz.utc) + timedelta(hours=8))
    calendar.add_component(once)
    sys.stdout.buffer.write(calendar.to_ical())


{"read": read, "write": write}[sys.argv[1]]()
