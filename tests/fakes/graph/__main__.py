"""A tenant that does not change by itself, for benchmarks: ``python -m tests.fakes.graph PEOPLE``.

Prints its URL, then reads lines from standard input: each is the number of users to change, and gets a reply when done.
The changed users manage nobody.
"""

from __future__ import annotations

import sys

from tests.fakes.graph.server import Graph
from tests.fakes.graph.tenant import company


def main(people: int) -> None:
    tenant = company(people, people // 20, people * 5)
    with Graph(tenant, page_size=200, members_per_item=1000, remember=True) as graph:
        print(graph.url, flush=True)
        for turn, line in enumerate(sys.stdin):
            for user in list(tenant.users)[people - int(line) :]:
                tenant.change(user, displayName=f"Changed {turn}")
            print("done", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
