class Knockd < Formula
  desc "Opens doors in pf for addresses that prove themselves"
  homepage "https://example.org/knockd/"
  # Placeholders until there are releases.
  url "https://example.org/knockd/knockd-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "ISC"

  depends_on "rust" => :build

  conflicts_with "knock", because: "both install `knock` and `knockd` programs"

  def install
    system "cargo", "install", "--no-default-features", *std_cargo_args(features: "client,legacy")
    sbin.install bin/"knockd", bin/"knockctl"
    man1.install "man/knock.1"
    man5.install "man/knockd.ron.5"
    man7.install "man/knockd-messages.7", "man/knockd-migrate.7", "man/knockd-pf.7",
      "man/spa.7"
    man8.install "man/knockctl.8", "man/knockd.8"
    zsh_completion.install "etc/completion/_knockd"
    %w[knock knockctl knockd].each do |program|
      cp "etc/completion/knockd.bash", program
      cp "etc/completion/knockd.fish", "#{program}.fish"
      bash_completion.install program
      fish_completion.install "#{program}.fish"
    end
    pkgshare.install "etc/examples/pf.conf.macos", "rc.d/macos/org.knockd.pf.plist"
  end

  service do
    # Homebrew's etc belongs to a user; root reads no configuration from there.
    run [opt_sbin/"knockd", "-d", "-f", "/etc/knockd.ron"]
    keep_alive true
    require_root true
    error_log_path var/"log/knockd.log"
  end

  def caveats
    <<~EOS
      As root, create the account of the engine and a configuration:
        sysadminctl -roleAccount -UID 470 -addUser _knockd
        knockctl setup -f /etc/knockd.ron
      and load its output into an anchor of pf, as described in
        #{opt_pkgshare}/pf.conf.macos.
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{sbin}/knockd --version")
    assert_match "cannot read", shell_output("#{sbin}/knockd -n -f missing.ron 2>&1", 1)
  end
end
