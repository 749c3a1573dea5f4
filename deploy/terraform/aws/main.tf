# A machine for dogwatch at AWS. Put it into another region, better another account, than what it watches.
terraform {
  required_version = ">= 1.6"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = var.region
}

variable "region" {
  type        = string
  description = "Where it runs: not where the clusters run"
}

variable "subnet_id" {
  type        = string
  description = "A subnet with a way to the internet"
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

data "aws_subnet" "chosen" {
  id = var.subnet_id
}

# Debian's own account: https://wiki.debian.org/Cloud/AmazonEC2Image
data "aws_ami" "debian" {
  owners      = ["136693071363"]
  most_recent = true

  filter {
    name   = "name"
    values = ["debian-13-amd64-*"]
  }
}

resource "aws_key_pair" "dogwatch" {
  key_name_prefix = "dogwatch-"
  public_key      = var.ssh_key
}

resource "aws_security_group" "dogwatch" {
  name_prefix = "dogwatch-"
  description = "dogwatch: SSH in, everything out"
  vpc_id      = data.aws_subnet.chosen.vpc_id

  ingress {
    description = "SSH"
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = var.ssh_from
  }

  egress {
    description      = "What is watched, and who is told"
    protocol         = "-1"
    from_port        = 0
    to_port          = 0
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }
}

resource "aws_instance" "dogwatch" {
  ami                         = data.aws_ami.debian.id
  instance_type               = "t3.micro"
  subnet_id                   = var.subnet_id
  vpc_security_group_ids      = [aws_security_group.dogwatch.id]
  key_name                    = aws_key_pair.dogwatch.key_name
  associate_public_ip_address = true
  user_data = templatefile("${path.module}/../../cloud-init/user-data.yml", {
    package_url    = var.package_url
    package_sha256 = var.package_sha256
  })

  # A watchdog that has used up its credits sees outages that are none.
  credit_specification {
    cpu_credits = "unlimited"
  }

  metadata_options {
    http_tokens = "required"
  }

  # The history is on it.
  root_block_device {
    volume_size = 20
    volume_type = "gp3"
    encrypted   = true
  }

  tags = {
    Name = "dogwatch"
  }

  # A newer image or another package is no reason to lose the history.
  lifecycle {
    ignore_changes = [ami, user_data]
  }
}

output "address" {
  value       = aws_instance.dogwatch.public_ip
  description = "ssh admin@ADDRESS"
}
