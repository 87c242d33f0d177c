"""A FastAPI service that shares its PostgreSQL with tagsweep.

Deleting a folder and taking the tags off it is one transaction: either both happen or neither.
Run it with ``uvicorn fastapi_service:app``; the settings are tagsweep's own.
"""

import os
from typing import Any
from uuid import UUID

from fastapi import FastAPI, HTTPException
from sqlalchemy import Column, MetaData, Table, Text, Uuid, create_engine, delete

from tagsweep import TagSweep
from tagsweep.transactional import record

TENANT = "acme"

engine = create_engine(os.environ["TAGSWEEP_DATABASE_URL"])
folder = Table("folder", MetaData(), Column("id", Uuid, primary_key=True), Column("name", Text))

app = FastAPI(title="Folders")
tagsweep = TagSweep()


@app.delete("/folders/{folder_id}", status_code=202)
def delete_folder(folder_id: UUID) -> dict[str, str]:
    """Delete a folder; its tags go within a second or two."""
    with engine.begin() as connection:
        if not connection.execute(delete(folder).where(folder.c.id == folder_id)).rowcount:
            raise HTTPException(404, "There is no such folder.")
        job = {"kind": "detach", "tenant": TENANT, "names": ["pii"], "folders": [str(folder_id)]}
        job_id = record(connection, job)
    return {"job": str(job_id)}


@app.post("/tags/{name}/clean-up", status_code=202)
def clean_up(name: str, max_affected: int = 100_000) -> dict[str, str]:
    """Take a tag off every table, unless that are more than ``max_affected``."""
    job = tagsweep.detach(tenant=TENANT, names=[name], tables="*", max_affected=max_affected)
    return {"job": job.id}


@app.get("/jobs/{job_id}")
def show(job_id: UUID) -> dict[str, Any]:
    """Return the status of a job."""
    return {"status": tagsweep.job(job_id).status()}
