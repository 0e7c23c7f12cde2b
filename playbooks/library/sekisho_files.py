"""Lays all files of a task at once: on a terminal, the start of a module costs a hundred times what it does there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: sekisho_files
short_description: Files and folders with their contents, owners and modes, all of a task in one go
description:
  - As C(ansible.builtin.template) and C(ansible.builtin.file) do it one by one, with check mode and differences.
  - A file is written beside its place with its owner and mode, and then put there; nobody sees half of one.
options:
  files:
    description: In this order; a folder comes before what lies in it.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {description: Where it lies., type: path, required: true}
      content: {description: The whole text of the file. Without it, the path is a folder., type: str}
      owner: {description: Whose it is., type: str, default: root}
      group: {description: The group whose it is., type: str, default: root}
      mode: {description: Octal, as text., type: raw, required: true}
"""

OPTIONS = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "raw", "required": True},
}


def lay_folder(module: AnsibleModule, one: dict, path: Path) -> tuple[bool, list]:
    made = not path.is_dir()
    if made and os.path.lexists(path):
        module.fail_json(msg=f"{path} is there, and is no folder; move it away, and run the playbook again")
    if made and not module.check_mode:
        path.mkdir(mode=0o700)
    changed, told = attributes(module, one, path)
    return made or changed, [difference(path, "", "a folder\n")] if made else told


def lay_file(module: AnsibleModule, one: dict, path: Path) -> tuple[bool, list]:
    wanted, present = one["content"].encode(), None
    if not path.is_symlink():  # a link is replaced, never followed
        if path.exists() and not path.is_file():
            module.fail_json(msg=f"{path} is there, and is no file; move it away, and run the playbook again")
        present = path.read_bytes() if path.exists() else None
    if present == wanted:
        return attributes(module, one, path)
    if not module.check_mode:
        write(module, one, path, wanted)
    return True, [difference(path, (present or b"").decode(errors="replace"), one["content"])]


def write(module: AnsibleModule, one: dict, path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        attributes(module, one, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def difference(path: Path, before: object, after: object) -> dict:
    return {"before_header": str(path), "after_header": str(path), "before": before, "after": after}


def attributes(module: AnsibleModule, one: dict, path: Path) -> tuple[bool, list]:
    """Owner, group and mode of what is there."""
    told: dict = {}
    arguments = module.load_file_common_arguments(one, path=str(path))
    changed = module.set_fs_attributes_if_different(arguments, changed=False, diff=told)
    return changed, [difference(path, told["before"], told["after"])] if told else []


def main() -> None:
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "dict", "required": True, "options": OPTIONS}},
        supports_check_mode=True,
    )
    changed, told = [], []
    for one in module.params["files"]:
        lay = lay_folder if one["content"] is None else lay_file
        try:
            other, differences = lay(module, one, Path(one["path"]))
        except OSError as error:
            module.fail_json(msg=f"{one['path']}: {error.strerror}", changed=bool(changed))
        if other:
            changed.append(one["path"])
            told += differences
    shown = {"diff": told} if told and module._diff else {}  # noqa: SLF001 - it is told nowhere else
    module.exit_json(changed=bool(changed), paths=changed, **shown)


if __name__ == "__main__":
    main()
