"""The methods of shop.users.v1.UsersService."""

from __future__ import annotations

import re
import unicodedata
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from shop.users.v1 import users_pb2 as pb
from shop.users.v1.users_pb2_grpc import UsersServiceServicer
from users.calls import Context
from users.errors import InvalidArgumentError, NotFoundError
from users.repository import People, Person

EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\.[^@\s\x00-\x1f\x7f]+")
PAGE_SIZE = 50
MOST_PAGE_SIZE = 500


class Users(UsersServiceServicer):
    """Validates requests, calls the repository, and builds responses."""

    def __init__(self, people: People) -> None:
        self._people = people

    async def RegisterUser(
        self, request: pb.RegisterUserRequest, _context: Context
    ) -> pb.RegisterUserResponse:
        """Register a person once per email address."""
        person, created = await self._people.register(_name(request.name), _email(request.email))
        return pb.RegisterUserResponse(user=_user(person), created=created)

    async def GetUser(self, request: pb.GetUserRequest, _context: Context) -> pb.GetUserResponse:
        """Return one person."""
        person = await self._people.get(_id(request.id))
        if person is None:
            raise NotFoundError(f"no user has the id {request.id}")
        return pb.GetUserResponse(user=_user(person))

    async def ListUsers(self, request: pb.ListUsersRequest, _context: Context) -> pb.ListUsersResponse:
        """Return a page of people, newest first."""
        size = _page_size(request.page_size)
        found = await self._people.newest(_position(request.page_token), size + 1)
        page = found[:size]
        more = str(page[-1].position) if len(found) > size else ""
        return pb.ListUsersResponse(users=map(_user, page), next_page_token=more)


def _user(person: Person) -> pb.User:
    registered = Timestamp()
    registered.FromDatetime(person.create_time)
    return pb.User(id=str(person.id), name=person.name, email=person.email, create_time=registered)


def _name(text: str) -> str:
    name = text.strip()
    if not 1 <= len(name) <= 200:
        raise InvalidArgumentError(f"name must have 1 to 200 characters; it has {len(name)}")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise InvalidArgumentError("name must not contain control characters")
    return name


def _email(text: str) -> str:
    email = text.strip().lower()
    if len(email) > 254 or not EMAIL.fullmatch(email):
        raise InvalidArgumentError(
            f"email must look like ada@example.org, at most 254 characters; it is {text[:60]!r}"
        )
    return email


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArgumentError(f"id must be a user's UUID; it is {text[:60]!r}") from None


def _page_size(size: int) -> int:
    if not 0 <= size <= MOST_PAGE_SIZE:
        raise InvalidArgumentError(
            f"page_size must be from 1 to {MOST_PAGE_SIZE}, or 0 for {PAGE_SIZE}; it is {size}"
        )
    return size or PAGE_SIZE


def _position(token: str) -> int | None:
    if not token:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", token):
        raise InvalidArgumentError("page_token must be the next_page_token of the page before, or empty")
    return int(token)
