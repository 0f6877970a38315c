"""Files of a site beside the packages, as YAML: its calibrations, and its certificates for predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.wrong_values import where_and_what
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.plain_yaml import read_yaml
from miqa_node.stages.assess.section import Section

MAX_FILE_BYTES = 1_000_000
SiteSection = TypeVar("SiteSection", bound=Section)


def read_site_file(path: Path, schema: type[SiteSection]) -> tuple[SiteSection, bytes]:
    """What the file says, and its bytes.

    Raises
    ------
    ModelPackageError
        It cannot be read or does not follow the schema.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelPackageError(
                "{path}: a calibration or certificate is never larger than {max_file_bytes} bytes.",
                path=path.name,
                max_file_bytes=MAX_FILE_BYTES,
            )
        data = path.read_bytes()
        return schema.model_validate(read_yaml(data)), data
    except OSError as error:
        raise ModelPackageError(
            "{path} cannot be read: {strerror}.", path=path.name, strerror=error.strerror
        ) from error
    except yaml.YAMLError as error:
        raise ModelPackageError("{path} is not plain YAML: {error}", path=path.name, error=error) from error
    except ValidationError as error:
        raise ModelPackageError(
            "{path} does not follow the schema: {error}", path=path.name, error=where_and_what(error.errors())
        ) from error


def write_site_file(path: Path, section: Section) -> bytes:
    """Write the file atomically; return its bytes."""
    data = yaml.safe_dump(section.model_dump(mode="json"), sort_keys=False, allow_unicode=True).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
    return data
