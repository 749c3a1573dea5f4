"""Ansible's way into a folder that is a whole Debian: by chroot. What ansible-core has are SSH and this machine."""

import os
import shutil
import subprocess

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: root
short_description: a folder that is a whole system
description: Runs commands by chroot in the folder that is the address of the host.
author: The dogwatch authors
options:
  remote_addr:
    description: The folder.
    vars: [{name: ansible_host}]
"""


class Connection(ConnectionBase):
    transport = "root"
    has_pipelining = True

    def _connect(self):
        self._connected = True
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        command = ["chroot", self.get_option("remote_addr"), "/bin/sh", "-c", cmd]
        done = subprocess.run(command, input=in_data or b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def _there(self, path):
        return os.path.join(self.get_option("remote_addr"), path.lstrip("/"))

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        shutil.copyfile(in_path, self._there(out_path))

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        shutil.copyfile(self._there(in_path), out_path)

    def close(self):
        self._connected = False
