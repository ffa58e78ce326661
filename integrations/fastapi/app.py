"""Documents behind the guard: everything is wired in code, and the route map comes from the decorators."""

from pathlib import Path
from typing import Annotated

from fastapi import Body, Depends, FastAPI, HTTPException

from iam_guard import (
    FilePolicyStore,
    Guard,
    IAMGuardMiddleware,
    Issuer,
    JWTAuthenticator,
    PolicyRefresher,
    RequestMapper,
    current_principal,
)
from iam_guard.http.app_routes import routes_from_app
from iam_guard.http.route import Route

HERE = Path(__file__).parent
DOCUMENTS = {"1": {"id": "1", "owner": "ann"}, "2": {"id": "2", "owner": "bob"}}

policies = PolicyRefresher(FilePolicyStore(HERE / "iam"))
policies.load()
guard = Guard(policies)
service = FastAPI()


@service.get("/health")
async def health() -> dict[str, str]:
    return {"status": "fine"}


@service.get("/documents")
@guard.requires("docs:ListDocuments", resource="*")
async def list_documents() -> list[dict[str, str]]:
    """A page of rows holds only what the caller may read."""
    return guard.filter_allowed(current_principal(), "docs:GetDocument", DOCUMENTS.values(),
                                resource=lambda row: f"document/{row['id']}")


@service.get("/documents/{doc_id}")
@guard.requires("docs:GetDocument", resource="document/{doc_id}")
async def read_document(doc_id: str) -> dict[str, str]:
    """The check stands below the route decorator, or it would never run."""
    if doc_id not in DOCUMENTS:
        raise HTTPException(404, "no such document")
    return DOCUMENTS[doc_id]


@service.get("/documents/{doc_id}/history",
             dependencies=[Depends(guard.requires("docs:GetHistory", resource="document/{doc_id}"))])
async def read_history(doc_id: str) -> dict[str, str]:
    """The same check as a dependency."""
    return {"id": doc_id, "history": "none"}


@service.post("/shares")
@guard.requires("docs:CreateShare", resource="*")
async def share_document(doc_id: Annotated[str, Body(embed=True)]) -> dict[str, str]:
    """Who owns a document is known only after it was looked up."""
    document = DOCUMENTS.get(doc_id)
    if document is None:
        raise HTTPException(404, "no such document")
    guard.require("docs:ShareDocument", f"document/{doc_id}", context={"docs:Owner": document["owner"]})
    return {"shared": doc_id}


issuer = Issuer("https://idp.example", audience="orders", algorithms="RS256", jwks_file=str(HERE / "jwks.json"))
app = IAMGuardMiddleware(
    service, guard=guard, authenticator=JWTAuthenticator([issuer]), background=[policies],
    mapper=RequestMapper([Route("GET", "/health", public=True), *routes_from_app(service)]),
    docs_public=True, strict=True)
