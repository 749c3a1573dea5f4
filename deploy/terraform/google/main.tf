# A machine for dogwatch at Google Cloud. Put it into another region, better another project, than what it watches.
terraform {
  required_version = ">= 1.6"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }
}

provider "google" {
  project = var.project
  zone    = var.zone
}

variable "project" {
  type        = string
  description = "The project that pays for it"
}

variable "zone" {
  type        = string
  description = "Where it runs: not where the clusters run"
}

variable "network" {
  type        = string
  description = "The VPC network"
  default     = "default"
}

variable "ssh_key" {
  type        = string
  description = "The public SSH key of who looks after it"
}

variable "ssh_from" {
  type        = list(string)
  description = "Networks that may come by SSH, as 192.0.2.0/24"
}

variable "package_url" {
  type        = string
  description = "Where the Debian package is (amd64)"
}

variable "package_sha256" {
  type        = string
  description = "Its SHA-256"
}

resource "google_compute_firewall" "ssh" {
  name          = "dogwatch-ssh"
  network       = var.network
  source_ranges = var.ssh_from
  target_tags   = ["dogwatch"]

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}

resource "google_compute_instance" "dogwatch" {
  name         = "dogwatch"
  machine_type = "e2-micro"
  tags         = ["dogwatch"]

  # The history is on it.
  boot_disk {
    auto_delete = false

    initialize_params {
      # Google's Debian images have no cloud-init; Ubuntu's do.
      image = "ubuntu-os-cloud/ubuntu-2404-lts-amd64"
      size  = 20
    }
  }

  network_interface {
    network = var.network

    access_config {}
  }

  metadata = {
    ssh-keys = "admin:${var.ssh_key}"
    user-data = templatefile("${path.module}/../../cloud-init/user-data.yml", {
      package_url    = var.package_url
      package_sha256 = var.package_sha256
    })
  }

  shielded_instance_config {
    enable_secure_boot = true
  }

  # A newer image or another package is no reason to lose the history.
  lifecycle {
    ignore_changes = [boot_disk[0].initialize_params[0].image, metadata["user-data"]]
  }
}

output "address" {
  value       = google_compute_instance.dogwatch.network_interface[0].access_config[0].nat_ip
  description = "ssh admin@ADDRESS"
}
