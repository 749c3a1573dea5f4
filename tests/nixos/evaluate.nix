# The module with as much of NixOS as it asks for: options are what they are declared as, and a file is its text.
let
  lib = {
    mkEnableOption = description: { type = "bool"; default = false; inherit description; };
    mkOption = option: option;
    mkIf = condition: content: if condition then content else { };
    types = { package = "package"; str = "string"; };
  };
  pkgs = {
    coreutils = "/nix/store/coreutils";
    writeTextDir = path: text: { inherit path text; };
  };
  of = settings: import ../../deploy/nixos/dogwatch.nix { inherit lib pkgs; config.services.dogwatch = settings; };
  on = of { enable = true; package = "/nix/store/dogwatch"; configFile = "/etc/dogwatch/dogwatch.yml"; };
in
{
  off = (of { enable = false; }).config;
  options = builtins.mapAttrs (name: option: option.type) on.options.services.dogwatch;
  described = builtins.all (option: option.description != "") (builtins.attrValues on.options.services.dogwatch);
  config = on.config;
}
