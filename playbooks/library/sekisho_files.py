#!/usr/bin/python3
"""Lays all files of a task at once: on a terminal, the start of a module costs a hundred times what it does there."""

from __future__ import annotations

import os
import stat
import tempfile

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


def lay_folder(module: AnsibleModule, one: dict) -> tuple[bool, list]:
    path = one["path"]
    made = not os.path.isdir(path)
    if made and os.path.lexists(path):
        module.fail_json(msg=f"{path} is there, and is no folder; move it away, and run the playbook again")
    if made and not module.check_mode:
        os.mkdir(path, 0o700)
    changed, told = attributes(module, one, path)
    if made:
        told = [{"before_header": path, "after_header": path, "before": "", "after": "a folder\n"}]
    return made or changed, told


def lay_file(module: AnsibleModule, one: dict) -> tuple[bool, list]:
    path, wanted = one["path"], one["content"].encode()
    there = os.path.lexists(path)
    if there and not stat.S_ISREG(os.stat(path, follow_symlinks=False).st_mode) and not os.path.islink(path):
        module.fail_json(msg=f"{path} is there, and is no file; move it away, and run the playbook again")
    present = None
    if there and not os.path.islink(path):
        with open(path, "rb") as file:
            present = file.read()
    if present == wanted:
        return attributes(module, one, path)
    if not module.check_mode:
        write(module, one, path, wanted)
    before = (present or b"").decode(errors="replace")
    return True, [{"before_header": path, "after_header": path, "before": before, "after": one["content"]}]


def write(module: AnsibleModule, one: dict, path: str, content: bytes) -> None:
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        module.fail_json(msg=f"{folder} is not there; {path} was not written")
    descriptor, beside = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        attributes(module, one, beside)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def attributes(module: AnsibleModule, one: dict, path: str) -> tuple[bool, list]:
    """Owner, group and mode of what is there."""
    told: dict = {}
    changed = module.set_fs_attributes_if_different(module.load_file_common_arguments(one, path=path), False, told)
    if not changed:
        return False, []
    return True, [{"before_header": path, "after_header": path, **told}]


def main() -> None:
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "dict", "required": True, "options": OPTIONS}},
        supports_check_mode=True,
    )
    changed, told = [], []
    for one in module.params["files"]:
        lay = lay_folder if one["content"] is None else lay_file
        try:
            other, differences = lay(module, one)
        except OSError as error:
            module.fail_json(msg=f"{one['path']}: {error.strerror}", changed=bool(changed))
        if other:
            changed.append(one["path"])
            told += differences
    if module._diff and told:  # noqa: SLF001 - there is no other way to know
        module.exit_json(changed=bool(changed), paths=changed, diff=told)
    module.exit_json(changed=bool(changed), paths=changed)


if __name__ == "__main__":
    main()
