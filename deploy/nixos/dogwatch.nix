# dogwatch as a NixOS service, by the same unit as everywhere else:
#
#   imports = [ ./dogwatch/deploy/nixos/dogwatch.nix ];
#   services.dogwatch = {
#     enable = true;
#     package = pkgs.callPackage ./dogwatch.nix { };   # yours: pkgs.rustPlatform.buildRustPackage of this repository
#   };
#
# The configuration and its secrets lie in /etc/dogwatch, readable by the group dogwatch: not in the store, which everybody reads.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.dogwatch;
  unit = builtins.replaceStrings
    [ "/usr/local/bin/dogwatch run --config /etc/dogwatch/dogwatch.yml" "/bin/kill" ]
    [ "${cfg.package}/bin/dogwatch run --config ${cfg.configFile}" "${pkgs.coreutils}/bin/kill" ]
    (builtins.readFile ../dogwatch.service);
in
{
  options.services.dogwatch = {
    enable = lib.mkEnableOption "dogwatch, the watchdog for Kubernetes";
    package = lib.mkOption {
      type = lib.types.package;
      description = "The package with bin/dogwatch.";
    };
    configFile = lib.mkOption {
      type = lib.types.str;
      default = "/etc/dogwatch/dogwatch.yml";
      description = "The configuration, outside of the store.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    users.groups.dogwatch = { };
    users.users.dogwatch = {
      isSystemUser = true;
      group = "dogwatch";
      home = "/var/lib/dogwatch";
    };
    systemd.tmpfiles.rules = [ "d /etc/dogwatch 0750 root dogwatch -" ];
    systemd.packages = [ (pkgs.writeTextDir "lib/systemd/system/dogwatch.service" unit) ];
    # What [Install] says is not read of a package's unit.
    systemd.services.dogwatch.wantedBy = [ "multi-user.target" ];
  };
}
