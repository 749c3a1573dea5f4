# A machine for dogwatch at OVHcloud, Infomaniak or any other cloud that is made of OpenStack; its credentials are those of
# OpenStack's command line (OS_CLOUD or OS_AUTH_URL and its kin). Put it into another region than what it watches.
terraform {
  required_version = ">= 1.6"
  required_providers {
    openstack = {
      source  = "terraform-provider-openstack/openstack"
      version = "~> 3.0"
    }
  }
}

provider "openstack" {
  region = var.region
}

variable "region" {
  type        = string
  description = "Where it runs, as GRA11: not where the clusters run"
}

variable "network" {
  type        = string
  description = "The network with a way to the internet; OVHcloud: Ext-Net"
  default     = "Ext-Net"
}

variable "flavor" {
  type        = string
  description = "A small one, of 1 core and 2 GB; OVHcloud: d2-2"
  default     = "d2-2"
}

variable "image" {
  type        = string
  description = "Debian, as the cloud calls it"
  default     = "Debian 13"
}

variable "ssh_key" {
  type        = string
  description = "The public SSH key of who looks after it"
}

variable "ssh_from" {
  type        = list(string)
  description = "IPv4 networks that may come by SSH, as 192.0.2.0/24"
}

variable "package_url" {
  type        = string
  description = "Where the Debian package is (amd64)"
}

variable "package_sha256" {
  type        = string
  description = "Its SHA-256"
}

data "openstack_images_image_v2" "debian" {
  name        = var.image
  most_recent = true
}

resource "openstack_compute_keypair_v2" "dogwatch" {
  name       = "dogwatch"
  public_key = var.ssh_key
}

# What goes out may go everywhere: OpenStack's rules for that come with the group.
resource "openstack_networking_secgroup_v2" "dogwatch" {
  name        = "dogwatch"
  description = "dogwatch: SSH in, everything out"
}

resource "openstack_networking_secgroup_rule_v2" "ssh" {
  for_each          = toset(var.ssh_from)
  security_group_id = openstack_networking_secgroup_v2.dogwatch.id
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = "tcp"
  port_range_min    = 22
  port_range_max    = 22
  remote_ip_prefix  = each.value
}

resource "openstack_compute_instance_v2" "dogwatch" {
  name            = "dogwatch"
  image_id        = data.openstack_images_image_v2.debian.id
  flavor_name     = var.flavor
  key_pair        = openstack_compute_keypair_v2.dogwatch.name
  security_groups = [openstack_networking_secgroup_v2.dogwatch.name]
  user_data = templatefile("${path.module}/../../cloud-init/user-data.yml", {
    package_url    = var.package_url
    package_sha256 = var.package_sha256
  })

  network {
    name = var.network
  }

  # A newer image or another package is no reason to lose the history.
  lifecycle {
    ignore_changes = [image_id, user_data]
  }
}

output "address" {
  value       = openstack_compute_instance_v2.dogwatch.access_ip_v4
  description = "ssh debian@ADDRESS"
}
