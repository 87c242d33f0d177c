"""The README on tags that are there already: a Django project, from the wheel to an undo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.docs import blocks
from tests.servers import Postgres
from tests.support.stack import ROOT
from tests.test_packaging import build

pytestmark = [pytest.mark.default_configuration, pytest.mark.slow, pytest.mark.timeout(900)]

#: links of the project: a million for who asks for it
LINKS = int(os.environ.get("TAGSWEEP_TEST_LINKS", "20000"))
#: of those, links of the tag that goes
GOING = LINKS // 4
#: how the README names the database
DATABASE = "postgresql://…/blog"

SETTINGS = """
INSTALLED_APPS += ["taggit", "tagsweep.contrib.django", "blog"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", "NAME": "{name}",
    "USER": "{user}", "HOST": "{host}", "PORT": "{port}"}}}}
TAGSWEEP = {{"MAP": BASE_DIR / "tags.toml"}}
"""
MODELS = """
from django.db import models
from taggit.managers import TaggableManager

class Article(models.Model):
    title = models.CharField(max_length=100)
    tags = TaggableManager()
"""
FILL = """
INSERT INTO blog_article (title) SELECT 'no. ' || n FROM generate_series(1, {going}) AS n;
INSERT INTO taggit_tag (name, slug) SELECT n, n FROM unnest(ARRAY['legacy', 'a', 'b', 'c']) AS n;
INSERT INTO taggit_taggeditem (object_id, content_type_id, tag_id)
    SELECT article.id, type.id, tag.id FROM blog_article AS article, taggit_tag AS tag,
    django_content_type AS type WHERE type.model = 'article'
"""
DIGEST = (
    "SELECT md5(string_agg(t::text, chr(10) ORDER BY id)), count(*) FROM taggit_taggeditem AS t"
)


@dataclass
class Site:
    """A Django project that is not ours, in an environment with the wheel."""

    folder: Path
    url: str

    def run(self, command: str, **settings: str) -> str:
        """Run a command line in it; return what it printed."""
        path = f"{self.folder}/environment/bin:{os.environ['PATH']}"
        kept = {
            name: text for name, text in os.environ.items() if name.startswith(("PIP_", "SSL_"))
        }
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env={**kept, "PATH": path, "HOME": str(self.folder), **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def links(self) -> tuple[str, int]:
        """Return the md5 of all links, with all columns, and how many there are."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(DIGEST).fetchone()
        assert row
        return str(row[0]), int(row[1])


@pytest.fixture
def site(postgres_server: Postgres) -> Iterator[Site]:
    """A project with articles and their tags."""
    url = postgres_server.create_database()
    parts = urlsplit(url)
    with tempfile.TemporaryDirectory(prefix="own-project-") as name:
        found = Site(Path(name), url)
        wheel = build(ROOT, "wheel", found.folder / "dist")
        found.run(f"{sys.executable} -m venv environment")
        install = "environment/bin/pip install --quiet --disable-pip-version-check"
        found.run(f"{install} '{wheel}[django]' django-taggit")
        found.run("django-admin startproject mysite . && python manage.py startapp blog")
        with (found.folder / "mysite" / "settings.py").open("a") as settings:
            settings.write(
                SETTINGS.format(
                    name=parts.path.lstrip("/"),
                    user=parts.username or "postgres",
                    host=parts.hostname,
                    port=parts.port or 5432,
                )
            )
        (found.folder / "blog" / "models.py").write_text(MODELS)
        found.run("python manage.py makemigrations blog && python manage.py migrate")
        with psycopg.connect(url) as connection:
            connection.execute(FILL.format(going=GOING))
        yield found
    postgres_server.drop_database(url)


def _of_readme() -> str:
    """Return the commands of the README, but the installation, which the fixture has done."""
    (block,) = (one for one in blocks.read(ROOT / "README.md") if "map init" in one.text)
    lines = [line for line in block.text.splitlines() if line and not line.startswith("pip ")]
    assert 0 < len(lines) + 1 <= 10
    return "\n".join(lines)


def test_the_commands_of_the_readme_take_a_tag_off_and_put_it_back(site: Site) -> None:
    commands = _of_readme()
    assert DATABASE in commands
    before = site.links()
    assert before[1] == LINKS
    said = site.run(commands.replace(DATABASE, site.url))
    assert "WRONG" not in said
    told = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) removed", said)]
    assert told.count(GOING) >= 2, said
    assert re.search(rf"^\s*{GOING}$", said, re.MULTILINE), said  # the lines of the receipt
    assert f"{GOING:,} added" in said
    assert site.links() == before
    assert "no issues" in site.run("python manage.py check")
    site.run("python manage.py tagsweep_events --once")
