"""Merges and checks options and arguments, and suggests names for unknown arguments."""

from __future__ import annotations

import copy
import difflib
import random
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, PrivateAttr, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, PydanticUndefined, core_schema

from langchain_pollinations._documentation import DescribedFields, is_own
from langchain_pollinations._transport.call_settings import NO_SETTINGS, RequestSettings, split_settings
from langchain_pollinations._transport.timeouts import Timeout
from langchain_pollinations.errors import InvalidRequestError

if TYPE_CHECKING:
    _Mixin = BaseModel
else:  # the mixins define no fields, and Pydantic takes 1 ms to create a model class
    _Mixin = object


class CallOptions(DescribedFields, BaseModel):
    """Base class of the options of one call. `_settings` holds the settings of its requests."""

    model_config = ConfigDict(defer_build=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    _settings: RequestSettings = PrivateAttr(default_factory=lambda: NO_SETTINGS)


class CallOverrides(TypedDict, total=False):
    """Keyword arguments that every call accepts, for type checkers and editors."""

    timeout: Timeout | None
    """Seconds, as in the constructor."""
    extra_headers: Mapping[str, str] | None
    """Headers that take precedence over `default_headers`. `Authorization` is not allowed."""


T = TypeVar("T", bound=CallOptions)
Validated = TypeVar("Validated")

MAX_SEED = 2**31 - 1

SAFE_WORDS = ("privacy", "secrets", "sexual", "violence", "shield", "true", "nsfw", "false", "0")


SEEDS: ContextVar[random.Random | None] = ContextVar("SEEDS", default=None)
"""The generator of random seeds in this context. A job sets it, so that a repeated row sends equal requests."""


def resolve_seed(seed: int | None) -> int | None:
    """Return the seed to send. -1 becomes a random seed, because the service treats -1 as one fixed seed."""
    if seed != -1:
        return seed
    return (SEEDS.get() or secrets.SystemRandom()).randint(0, MAX_SEED)


def check_safe(safe: str) -> None:
    """Raise a `ValueError` if `safe` has a word that the safety filter of the service does not know."""
    unknown = [word for word in safe.lower().split(",") if word.strip() not in ("", *SAFE_WORDS)]
    if unknown:
        raise ValueError(f"safe: unknown {', '.join(map(repr, unknown))}; a comma list of {', '.join(SAFE_WORDS)}")


def check_whole(text: str, name: str) -> None:
    """Raise an `InvalidRequestError` if a text cannot be encoded as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            f"{name} holds half a character (a lone surrogate) at {error.start}", param=name
        ) from error


_ONE_RESULT = "a call has one result: for several, call batch with equal inputs and seed=-1"
_PIXELS = "give width and height, in pixels"
_SECONDS = "give duration, in seconds"
_A_MEDIA = "the result is a Media, which has data, url and save()"
_A_FILE = "give path in a call, or output_folder in the constructor"

_NAMES_ELSEWHERE: Sequence[tuple[str, str, str]] = (
    ("size", "aspect_ratio", "give aspect_ratio and resolution"),
    ("size", "width", _PIXELS),
    ("aspect_ratio", "width", _PIXELS),
    ("aspectRatio", "width", _PIXELS),
    ("image_size", "width", _PIXELS),
    ("n", "model", _ONE_RESULT),
    ("num_images", "model", _ONE_RESULT),
    ("number_of_images", "model", _ONE_RESULT),
    ("number_of_videos", "model", _ONE_RESULT),
    ("response_format", "width", _A_MEDIA),
    ("response_format", "image", _A_MEDIA),
    ("output_format", "response_format", "give response_format"),
    ("output_format", "width", "the model chooses the format; Media.mime_type names it"),
    ("format", "response_format", "give response_format"),
    ("background", "transparent", "give transparent=True"),
    ("image", "first_frame", "give first_frame or reference_images"),
    ("image_url", "first_frame", "give first_frame or reference_images"),
    ("image_url", "image", "give image"),
    ("input_image", "image", "give image"),
    ("generate_audio", "first_frame", "give audio=True"),
    ("seconds", "duration", _SECONDS),
    ("duration_seconds", "duration", _SECONDS),
    ("music_length_ms", "duration", _SECONDS),
    ("voice_id", "voice", "give voice"),
    ("voice_name", "voice", "give voice"),
    ("encoding_format", "dimensions", "vectors are lists of floats"),
    ("timestamp_granularities", "speakers_expected", "response_format='verbose_json' has the times"),
    ("max_output_tokens", "max_tokens", "give max_tokens"),
    ("prefer_get", "route", "give route='get'"),
    ("prefer_plain", "route", "give route='post'"),
    ("max_tokens_to_sample", "max_tokens", "give max_tokens"),
    ("max_concurrency", "model", "give it in the config, as in batch(inputs, {'max_concurrency': 2})"),
    *(
        (name, field, _A_FILE)
        for name in ("path", "file", "filename", "file_name", "output", "output_file", "output_path", "save_path")
        for field in ("image", "duration", "voice")
    ),
)
"""Argument names of other clients: the name, a field of the wrappers to which the advice applies, and the advice."""


def suggest_name(name: str, known: Mapping[str, Any]) -> str:
    """Return a message about an unknown argument, with a suggestion if there is one."""
    advice = (advice for other, field, advice in _NAMES_ELSEWHERE if other == name and field in known)
    if found := next(advice, None):
        return f"unknown argument {name!r}: {found}"
    close = difflib.get_close_matches(name, known, n=1)
    return f"unknown argument {name!r}" + (f", did you mean {close[0]!r}?" if close else "")


def merge_options(kind: type[T], wrapper: Any, overrides: Mapping[str, Any], synonyms: Mapping[str, str]) -> T:
    """Return the options of one call, including `timeout` and `extra_headers`.

    Arguments of the call take precedence over those of the constructor.

    Args:
        kind: The class of the options, which the constructor and each call accept.
        wrapper: The object whose fields hold the arguments of the constructor.
        overrides: The arguments of the call.
        synonyms: Other names of options, mapped to the option names.

    Raises:
        InvalidRequestError: If an option is unknown or invalid.
    """
    fields = kind.model_fields
    own = {name: value for name in fields if (value := getattr(wrapper, name)) is not None}
    settings, named = split_settings({synonyms.get(name, name): value for name, value in overrides.items()})
    unknown = sorted(named.keys() - fields.keys())
    check_placement({name: named[name] for name in unknown}, type(wrapper).model_fields, fields)
    if unknown:
        says = "; ".join(suggest_name(name, fields) for name in unknown)
        raise InvalidRequestError(says, param=unknown[0] if len(unknown) == 1 else None)
    options = validated(kind.model_validate, {**own, **named})
    options._settings = settings
    return options


# Texts, compiled with the first unknown argument.
_SECRET = r"(^|[_-])(api)?key$|^((api|access|auth|bearer)[_-]?)?token$|secret|password|authorization|^auth$|headers$"
_KEY = r"(?i:\s*(bearer\s+)?)[sp]k_\w{8}"
_HOST = (
    r"(^|_)(api_base|base_?ur[il]|api_ur[il]|server_ur[il]|host|hostname|endpoint|proxy|proxies)$"
    r"|^(base|ur[il]|server)$"
)


def check_no_secret(fields: Mapping[str, Any]) -> None:
    """Raise a `ValueError` if an unknown field may hold a secret. Unknown fields of a chat are sent with the request,
    which the service stores and forwards to providers."""
    for name, value in sorted(fields.items(), key=lambda field: field[0]):
        is_key = _holds_key(value)
        if is_key or re.search(_SECRET, name, re.IGNORECASE):
            what = f"the value of {name!r}" if is_key else repr(name)
            raise ValueError(f"{what} looks like a secret: a key goes into api_key, headers into default_headers")


def _holds_key(value: Any) -> bool:
    """Return whether a value, a value of a dict or an item of a list looks like a key."""
    if isinstance(value, Mapping):
        values: Iterable[Any] = value.values()
    else:
        values = value if isinstance(value, list | tuple) else (value,)
    return any(isinstance(each, SecretStr) or isinstance(each, str) and re.match(_KEY, each) for each in values)


def check_no_host(names: Iterable[str]) -> None:
    """Raise a `ValueError` if an unknown name may hold the address of a host. The request would otherwise go to a
    different host than the caller expects."""
    for name in sorted(names):
        if re.search(_HOST, name, re.IGNORECASE):
            raise ValueError(
                f"{name!r} looks like a host: the address of the service goes into base_url, that of a proxy into "
                "HTTPS_PROXY or a client of your own (http_client)"
            )


def check_spelling(names: Iterable[str], known: Collection[str], sent: Collection[str], place: str = "") -> None:
    """Raise an error if an unknown name resembles an option that is not sent, such as `api_key`.

    Args:
        names: The unknown names.
        known: The names of all options.
        sent: The names of those that are sent.
        place: Where the options that are not sent belong, for the message.

    Raises:
        InvalidRequestError: If there is such a name. It is also a `ValueError`, as validators of pydantic require.
    """
    for name in sorted(names):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        if close and close[0] not in sent:
            raise InvalidRequestError(f"unknown argument {name!r}, did you mean {close[0]!r}{place}?", param=name)


def check_placement(unknown: Mapping[str, Any], known: Collection[str], sent: Collection[str]) -> None:
    """Reject unknown arguments of a call that belong to the constructor, or that look like a secret or a host.

    Args:
        unknown: The arguments that a call does not accept.
        known: The names of all options.
        sent: The names of those that a call accepts.

    Raises:
        InvalidRequestError: If there is such an argument.
    """
    if misplaced := sorted(name for name in unknown if name in known):
        says = f"{', '.join(misplaced)}: an argument of the constructor, not of a call"
        raise InvalidRequestError(says, param=misplaced[0] if len(misplaced) == 1 else None)
    try:
        check_no_secret(unknown)
        check_no_host(unknown)
    except ValueError as error:
        raise InvalidRequestError(str(error)) from None
    check_spelling(unknown, known, sent, " of the constructor")


def validated(validate: Callable[[Any], Validated], value: Any) -> Validated:
    """Validate a value.

    Raises:
        InvalidRequestError: If it is invalid. Its `__context__` is not pydantic's error, which holds the input, because
            the input may be a key.
    """
    try:
        return validate(value)
    except ValidationError as error:
        refusal = invalid_request(error)
    raise refusal


def invalid_request(error: ValidationError) -> InvalidRequestError:
    """Convert a pydantic error to an `InvalidRequestError`."""
    names = {
        str(finding["loc"][0]) for finding in error.errors(include_url=False, include_input=False) if finding["loc"]
    }
    return InvalidRequestError(format_validation_error(error), param=names.pop() if len(names) == 1 else None)


def _validate_hidden(value: Any, validate: Callable[[Any], Any]) -> Any:
    try:
        return validate(value)
    except ValidationError as error:
        bare = _without_input(error)
    raise bare  # raised outside the handler, so that `__context__` is not the error with the input


def _without_input(error: ValidationError) -> ValidationError:
    findings = error.errors(include_url=False, include_context=False, include_input=False)
    details = [
        InitErrorDetails(type=PydanticCustomError(found["type"], found["msg"]), loc=found["loc"], input=None)
        for found in findings
    ]
    return ValidationError.from_exception_data(error.title, details, hide_input=True)


class HiddenInput(DescribedFields):
    """Mixin for models whose validation errors do not contain the input. The input may be a key that was passed to the
    wrong field. pydantic's `hide_input_in_errors` removes the input only from the text of an error, not from
    `errors()`, and a traceback may show the variables of its constructor."""

    if not TYPE_CHECKING:  # type checkers see the fields

        def __init__(self, *args: Any, **fields: Any) -> None:
            if args:  # the message does not show the value, which may be a key
                del args
                name = type(self).__name__
                example = "model" if "model" in type(self).model_fields else "api_key"
                raise TypeError(f"{name} takes named arguments only: {name}({example}=...)")
            try:
                super().__init__(**fields)
                return
            except ValidationError as error:
                bare = error.with_traceback(None)
            del fields
            raise bare

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_validate_hidden, handler(source))


def own_class(kind: type[BaseModel]) -> type[BaseModel]:
    """Return the class itself if this package defines it, otherwise its base class that this package defines.

    Changed fields are validated with this class, because a derived class may have a constructor with other arguments,
    or validators that overwrite the changed field.
    """
    return next(base for base in kind.__mro__ if is_own(base))


class OwnFields(_Mixin):
    """Mixin for wrappers. It lists the fields that neither LangChain nor a derived class of the caller defines.

    A field of an options class is listed even if LangChain's base class defines it too.
    """

    _OWN_FIELDS: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        own = own_class(cls)
        foreign = (base for base in own.__mro__ if base.__module__.startswith("langchain_core."))
        theirs = {name for base in foreign for name in getattr(base, "model_fields", ())}
        options = (base for base in own.__mro__ if issubclass(base, CallOptions) and base not in (own, cls))
        ours = {name for base in options for name in base.model_fields}
        cls._OWN_FIELDS = frozenset(own.model_fields.keys() - (theirs - ours))


def _takes_data(field: FieldInfo) -> bool:
    """Whether the default is computed from the other fields (Pydantic 2.10 and later)."""
    return bool(getattr(field, "default_factory_takes_validated_data", False))


def _is_private(kind: type) -> bool:
    return is_own(kind) and "._" in kind.__module__


class PublicPickle(_Mixin):
    """Mixin for models with pickles that a later version of the package can read. A pickle refers to no private class.
    Missing fields get their defaults. State of the process, such as connections and caches, is created anew, and does
    not affect equality."""

    _TRANSIENT: ClassVar[frozenset[str]] = frozenset()
    """Fields that a pickle leaves out and that are created anew."""

    def __eq__(self, other: object) -> bool:
        """Return whether the fields outside `_TRANSIENT` are equal. pydantic would compare private attributes too."""
        if type(self) is not type(other):
            return NotImplemented
        names = type(self).model_fields.keys() - self._TRANSIENT
        return all(self.__dict__.get(name) == other.__dict__.get(name) for name in names)

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        private = state["__pydantic_private__"] or {}
        private = {name: value for name, value in private.items() if not _is_private(type(value))}
        fields = {name: value for name, value in state["__dict__"].items() if name not in self._TRANSIENT}
        return {**state, "__dict__": fields, "__pydantic_private__": private}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        private = self.__pydantic_private__ or {}
        for name, attribute in self.__private_attributes__.items():
            make = attribute.default_factory
            if make is not None or attribute.default is not PydanticUndefined:
                private.setdefault(name, make() if make else copy.copy(attribute.default))  # type: ignore[call-arg]
        object.__setattr__(self, "__pydantic_private__", private)
        for name, field in type(self).model_fields.items():
            if name not in self.__dict__:
                known = {"validated_data": self.__dict__} if _takes_data(field) else {}
                self.__dict__[name] = field.get_default(call_default_factory=True, **known)


def format_validation_error(error: ValidationError) -> str:
    """Format a pydantic error as one line. Each part names the argument and does not show the value."""
    findings = []
    for finding in error.errors(include_url=False, include_input=False):
        where = ".".join(map(str, finding["loc"]))
        says = finding["msg"].removeprefix("Value error, ")
        findings.append(f"{where}: {says}" if where and not says.startswith(f"{where}: ") else says)
    return "; ".join(findings)
