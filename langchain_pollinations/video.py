"""`PollinationsVideo`: generates videos from a prompt and references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Unpack
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx

from langchain_pollinations._catalog.costs import cost_of, header_units
from langchain_pollinations._media.base import (
    FilePath,
    Generation,
    MediaGenerator,
)
from langchain_pollinations._media.billing import cost_of_fields, media_billing, price_variants
from langchain_pollinations._media.files import atomic_write
from langchain_pollinations._media.progress import ShowProgress
from langchain_pollinations._media.prompts import MAX_URL, check_prompt, join_urls, quote_prompt
from langchain_pollinations._media.response import metadata, parse_media, public_url, revision
from langchain_pollinations._media.video_options import (
    FAMILIES,
    VideoOptions,
    VideoOverrides,
    check_abilities,
    count_references,
)
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations._transport.metering import Cost
from langchain_pollinations._transport.origins import is_requestable
from langchain_pollinations._transport.request import ApiRequest, OnProgress, RequestFlow
from langchain_pollinations._transport.timeouts import Timeout
from langchain_pollinations._validation import merge_options
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import Media

MAX_URL_WITH_REFERENCES = 8000
"""Maximum characters of a URL with `reference_...` parameters. The service does not accept these in a body.

The edge servers of the service accept about 16 KB.
"""

MAX_UPLOAD_ID = 36
"""Maximum characters of the id of an uploaded file. The id is the last part of the URL of the file."""

_GUIDES = ("reference_images", "reference_videos", "reference_audios")


class PollinationsVideo(MediaGenerator, VideoOptions):
    """Generates videos from a prompt, with optional reference images, videos and audio.

        >>> camera = PollinationsVideo(model="veo", duration=4, aspect_ratio="16:9")
        >>> camera.generate("waves at dusk", path="waves.mp4").path.name
        'waves.mp4'

    Every field of `VideoOptions` is an option of the constructor and of each call. The class is also a LangChain
    `Runnable` that converts a prompt to a `Media`. A video takes from half a minute to several minutes. After a lost
    connection or a timeout, the package sends the identical request again. The service attaches this retry to the
    running generation.
    """

    _SYNONYMS: ClassVar[Mapping[str, str]] = {**MediaGenerator._SYNONYMS, "aspectRatio": "aspect_ratio"}
    _OPTIONS = VideoOptions
    _CATEGORY = "video"
    _SUFFIX = ".mp4"
    _SHOWS_BAR = True

    timeout: Timeout | None = 900.0
    """Timeout in seconds, as in `ChatPollinations`. The edge servers of the service end a request after about 180 s
    with status 524. Each retry joins the running generation. With `max_retries=2`, a video may take about 9 minutes."""

    def generate(
        self,
        prompt: str,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[VideoOverrides],
    ) -> Media:
        """Generate a video.

        Args:
            prompt: Description of the video and its audio, up to 32,000 characters.
            path: File that the video is written to during the download. A missing suffix is added. An existing file is
                replaced once the video is complete. `output_folder` describes the default.
            progress: Overrides the field `progress`, for this call only.
            overrides: Options of `VideoOptions`, for this call only. `timeout`, as in the constructor,
                and `extra_headers` are also accepted. `extra_headers` take precedence over `default_headers` and must
                not contain `Authorization`.

        Returns:
            The video. If it was saved, its bytes are in the file. Otherwise they are in memory.

        Raises:
            InvalidRequestError: If an option or a reference is invalid, or the service rejects it.
            UnsupportedRequestError: If the model lacks an ability. The message names models that have this ability.
            MediaInputError: If the service could not fetch or read a reference.
            ContentBlockedError: If the `safe` filter blocked the prompt.
            UnprocessableError: If the provider refused the prompt.
            InvalidResponseError: If the response is not a complete video.
            OSError: If the file cannot be written.
            ImportError: If a progress bar is requested and tqdm is not installed.
        """
        return self._generate(prompt, path, progress, overrides)

    async def agenerate(
        self,
        prompt: str,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[VideoOverrides],
    ) -> Media:
        """Asynchronous version of `generate`."""
        return await self._agenerate(prompt, path, progress, overrides)

    def _saving(
        self, generation: Generation, path: FilePath | None, on_progress: OnProgress | None
    ) -> RequestFlow[Media]:
        """Run a generation and save the video. Unlike the base class, write the file during the download."""
        target = self._target(path)
        if target is None:
            return (yield from generation(on_progress))
        with atomic_write(target) as part:
            video = yield from generation(on_progress, part)
        video._check_suffix(target.suffix)
        return video._stored_at(target)

    def _check(self, options: VideoOptions) -> None:
        check_abilities(options, count_references(options))

    def _check_constructor(self) -> None:
        options = merge_options(VideoOptions, self, {}, self._SYNONYMS)
        counts = count_references(options)
        check_abilities(options, counts | {"first_frame": max(counts["first_frame"], counts["last_frame"])})

    def _generation(
        self,
        prompt: str,
        options: VideoOptions,
        on_progress: OnProgress | None,
        into: Path | None = None,
    ) -> RequestFlow[Media]:
        check_prompt(prompt)
        self._check(options)
        references = {
            name: self._resolve_references(name, getattr(options, name), family) for name, family in FAMILIES.items()
        }
        self._check_size(prompt, options, references)
        urls = {}
        for name, each in references.items():
            urls[name] = yield from self._upload_references(each)
        return (yield from _request_video(prompt, options, urls, into, on_progress))

    def _check_size(self, prompt: str, options: VideoOptions, references: Mapping[str, Sequence[str | Media]]) -> None:
        """Raise an error for references that do not fit in a URL. This check happens before the uploads."""
        urls = {name: [each if isinstance(each, str) else "" for each in given] for name, given in references.items()}
        uploads = sum(isinstance(each, Media) for given in references.values() for each in given)
        if not fits_in_url(prompt, options, urls, uploads * (len(quote_plus(f"{self._media_host}/")) + MAX_UPLOAD_ID)):
            check_body(urls)


def _request_video(
    prompt: str, options: VideoOptions, urls: ReferenceUrls, into: Path | None, on_progress: OnProgress | None
) -> RequestFlow[Media]:
    """Request the video with a GET if the prompt fits in a URL, otherwise with a POST.

    The response to the GET is the video. The response to the POST contains the URL of the video. A second request then
    downloads the video.
    """
    prompt_path, fields = video_request(prompt, options, urls)
    parse = partial(parse_video, prompt=prompt, options=options, into=into)
    billing = media_billing("video", options, prompt)
    video: Media
    if prompt_path is not None:
        path, params = f"/video/{prompt_path}", {"params": fields}
        video = yield ApiRequest("GET", path, parse, params, save_to=into, on_progress=on_progress, billing=billing)
        return video
    stored: StoredVideo = yield ApiRequest(
        "POST",
        "/v1/images/generations",
        partial(parse_stored_video, prompt=prompt, options=options),
        {"json": fields},
        billing=replace(billing, cost=lambda stored: stored.billed(price_variants(options))),
    )
    origin, path = stored.place()
    video = yield ApiRequest(
        "GET",
        path,
        partial(parse, known=stored.known),
        origin=origin,
        is_origin_checked=True,
        send_credentials=False,
        save_to=into,
        on_progress=on_progress,
    )
    return video


# --- The request ------------------------------------------------------------------------------------------------------

ReferenceUrls = Mapping[str, Sequence[str]]
"""URLs of the references, by argument."""


def video_request(prompt: str, options: VideoOptions, urls: ReferenceUrls) -> tuple[str | None, dict[str, Any]]:
    """Encode the prompt and the options for a GET, or for a POST if the prompt does not fit in a URL.

    Returns:
        For `GET /video/{prompt}`, the encoded prompt and the query parameters. For a POST, None and the body.

    Raises:
        InvalidRequestError: If the prompt does not fit in a URL, and the service does not accept the references in a
            body.
    """
    if fits_in_url(prompt, options, urls):
        return quote_prompt(prompt), _query(options, urls)
    check_body(urls)
    body = {name: value for name, value in _fields(options).items() if name not in ("width", "height")}
    if options.width and options.height:
        body["size"] = f"{options.width}x{options.height}"
    if frames := _frames(urls):
        body["image"] = frames
    return None, body | {"prompt": prompt, "response_format": "url"}


def fits_in_url(prompt: str, options: VideoOptions, urls: ReferenceUrls, pending: int = 0) -> bool:
    """Whether the prompt, the options and the references fit in the URL of a GET.

    Args:
        prompt: The prompt.
        options: Options of the request.
        urls: URLs of the references. An empty string stands for a URL that is not known yet.
        pending: Maximum characters of the URLs that are not known yet.
    """
    path = quote_prompt(prompt)
    if path is None:
        return False
    limit = MAX_URL_WITH_REFERENCES if _guides(urls) else MAX_URL
    return len(path) + len(urlencode(_query(options, urls))) + pending <= limit


def check_body(urls: ReferenceUrls) -> None:
    """Raise an error for references that the service does not accept in a body.

    Raises:
        InvalidRequestError: If the request has such references.
    """
    if guides := _guides(urls):
        raise InvalidRequestError(
            f"{', '.join(guides)}: the service accepts them only with a prompt that fits in a URL. Shorten the prompt, "
            "and do not use '%', '.' or '..' between slashes, or the prompt 'models', which is another route",
            param="prompt",
        )


def _guides(urls: ReferenceUrls) -> ReferenceUrls:
    return {name: urls[name] for name in _GUIDES if urls.get(name)}


def _frames(urls: ReferenceUrls) -> list[str]:
    return [*urls.get("first_frame", ()), *urls.get("last_frame", ())]


def _fields(options: VideoOptions) -> dict[str, Any]:
    """Return the options that the query and the body have in common."""
    fields = options.model_dump(exclude_none=True, exclude=set(FAMILIES))
    if "aspect_ratio" in fields:
        fields["aspectRatio"] = fields.pop("aspect_ratio")
    return fields


def _query(options: VideoOptions, urls: ReferenceUrls) -> dict[str, Any]:
    query = _fields(options) | {name: _join_urls(each) for name, each in _guides(urls).items()}
    if frames := _frames(urls):
        query["image"] = join_urls(frames)
    return query


def _join_urls(urls: Sequence[str]) -> str:
    """Join URLs for a parameter that the service splits at `|` only."""
    return "|".join(url.replace("|", "%7C") for url in urls)


# --- The response -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredVideo:
    """The URL of a generated video, and the metadata of the response that contained the URL."""

    url: str
    known: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the `Media` that are already known."""

    def billed(self, variants: Sequence[str]) -> Cost:
        return cost_of_fields(self.known["model"], self.known.get("cost"), self.known["metadata"], variants)

    def place(self) -> tuple[str, str]:
        """Return the origin of the URL, and its path with the query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def parse_video(
    response: httpx.Response,
    prompt: str,
    options: VideoOptions,
    into: Path | None = None,
    known: Mapping[str, Any] | None = None,
) -> Media:
    """Parse the video in the body of a response. The body is in memory or in a file."""
    return parse_media(response, into or response.content, "video", prompt, options, **(known or {}))


def parse_stored_video(response: httpx.Response, prompt: str, options: VideoOptions) -> StoredVideo:
    """Parse the URL in the JSON response of `/v1/images/generations`, and the metadata in the response headers."""
    body = parse_json(response, "video")
    try:
        item = body["data"][0]
        url = item["url"]
        is_valid = is_requestable(httpx.URL(url))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, httpx.InvalidURL) as error:
        raise unexpected_response(response, "video") from error
    if not is_valid:
        raise unexpected_response(response, "video")
    known = {
        "url": public_url(response.headers) or url,
        "model": response.headers.get("x-model-used") or options.model,
        "cost": cost_of(response, options.model, header_units(response.headers), price_variants(options)).text,
        "request_id": response.headers.get("x-request-id"),
        "metadata": metadata(response.headers) | revision(item, prompt),
    }
    return StoredVideo(url, {name: value for name, value in known.items() if value is not None})
