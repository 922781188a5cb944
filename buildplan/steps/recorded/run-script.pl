#!/usr/bin/perl
# Run a course's script with no network but driftpin's proxy, which is behind a socket, and leave the same files each time.
#   run-script.pl SOCKET USER PREFIX DIR COMMAND...
# As root. PREFIX is the environment, which stays root's, and which USER may write to; empty for a Dockerfile's RUN.
# USER is NAME[:GROUP] or UID[:GID]; behind a ~ if HOME is to be the user's.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();

my ($socket, $user, $prefix, $dir, @command) = @ARGV;
my $port = 3128;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 128, ReuseAddr => 1)
	or die "port $port of the step: $@\n";

sub proxy { return IO::Socket::UNIX->new(Peer => $socket) }

# Pass bytes on in both directions, until one side ends.
sub relay {
	my ($a, $b) = @_;
	my $both = IO::Select->new($a, $b);
	while (my @ready = $both->can_read) {
		for my $from (@ready) {
			my $to = $from == $a ? $b : $a;
			my $n = sysread $from, my $bytes, 65536 or return;
			for (my $sent = 0; $sent < $n;) {
				$sent += syswrite($to, $bytes, $n - $sent, $sent) // return;
			}
		}
	}
}

my $relays = fork // die "fork: $!\n";
if (!$relays) {
	$SIG{CHLD} = 'IGNORE';
	while (my $client = $listener->accept) {
		next if fork;
		my $peer = proxy() or POSIX::_exit(1);
		relay($client, $peer);
		POSIX::_exit(0);
	}
	POSIX::_exit(1);
}

# How many packets went nowhere: there is no route but to this step itself.
sub bypassed {
	my $n = 0;
	if (open my $f, '<', '/proc/net/snmp') {
		my @lines = map { [split] } grep { /^Ip: / } <$f>;
		my ($i) = grep { $lines[0][$_] eq 'OutNoRoutes' } 0 .. $#{ $lines[0] };
		$n += $lines[1][$i];
	}
	if (open my $f, '<', '/proc/net/snmp6') {
		/^Ip6OutNoRoutes\s+(\d+)/ and $n += $1 while <$f>;
	}
	return $n;
}

# What the command runs as: a prefix to it.
sub identity {
	my $sets_home = $user =~ s/^~//;
	my ($name, $group) = split /:/, $user, 2;
	$name = 0 if !defined $name || $name eq '';
	my ($login, $uid, $gid, $home) = ($name =~ /^\d+$/ ? getpwuid $name : getpwnam $name)[0, 2, 3, 7];
	$uid //= $name =~ /^\d+$/ ? $name : die "the image has no user $name\n";
	if (defined $group) {
		$gid = $group =~ /^\d+$/ ? $group : getgrnam($group) // die "the image has no group $group\n";
	}
	$ENV{HOME} = $home // '/' if $sets_home;
	my $cache = "/run/driftpin/cache/$uid"; # what programs only keep for the next time
	mkdir $cache, 0700 or die "$cache: $!\n";
	chown $uid, $gid // 0, $cache;
	my %caches = (PIP_CACHE_DIR => 'pip', UV_CACHE_DIR => 'uv', npm_config_cache => 'npm', YARN_CACHE_FOLDER => 'yarn',
		CONDA_PKGS_DIRS => 'conda');
	$ENV{$_} //= "$cache/$caches{$_}" for keys %caches;
	return if $uid == 0 && !($gid // 0);
	my @as = ('setpriv', "--reuid=$uid", '--regid=' . ($gid // 0), defined $login ? '--init-groups' : '--clear-groups');
	push @as, '--securebits=+no_setuid_fixup', '--inh-caps=-all,+dac_override,+fowner',
		'--ambient-caps=-all,+dac_override,+fowner' if $prefix ne '';
	return (@as, '--');
}

delete @ENV{qw(DRIFTPIN_ASKED DRIFTPIN_RECORDED DRIFTPIN_STEPS SSH_AUTH_SOCK)}; # the same to the script each time
open my $f, '>', '/dev/shm/start' or die "/dev/shm/start: $!\n";
close $f;
select undef, undef, undef, 0.05; # what is changed from now on is the script's
chdir $dir or die "$dir: $!\n";
umask 022;
my $before = bypassed();
my @all = (identity(), @command);
my $status = system { $all[0] } @all;
die "$command[0]: $!\n" if $status < 0;
my $code = $status & 127 ? 128 + ($status & 127) : $status >> 8;
my $bypassed = bypassed() - $before;

# What the script left running would go on writing.
sub parent { open my $f, '<', "/proc/$_[0]/stat" or return 0; return <$f> =~ /\) \S+ (\d+)/ ? $1 : 0 }
my @left = grep { $_ != $$ && $_ != $relays && parent($_) != $relays && parent($_) } map { m{(\d+)} } glob '/proc/[0-9]*';
kill 'KILL', @left, $relays;
my $left = @left;

# The proxy knows whether all was answered as promised.
my $end = proxy() or die "driftpin's proxy does not answer: $!\n";
print $end "GET http://driftpin.invalid/end?bypassed=$bypassed&left=$left HTTP/1.0\r\nHost: driftpin.invalid\r\n\r\n";
$end->flush;
my ($first, $head) = (scalar <$end>, 1);
while (defined(my $line = <$end>)) {
	print STDERR $line unless $head;
	$head = 0 if $line eq "\r\n";
}
exit $code if $code;
exit 1 unless defined $first && $first =~ m{^HTTP/1\.\d 200 };

# The environment is root's, no log tells of this run, and nothing is newer than the epoch; what is mounted is not ours, nor are
# files of other layers that the engine has linked into yet others since, which changes them too.
exec '/bin/sh', '-euc', <<'SH', 'sh', $prefix or die "sh: $!\n";
mounts=$(awk '$5 != "/" { printf "-path %s -prune -o ", $5 }' /proc/self/mountinfo)
if [ -n "$1" ]; then
	[ ! -d "$1" ] || find "$1" -xdev -cnewer /dev/shm/start \( ! -uid 0 -o ! -gid 0 \) -exec chown -h 0:0 {} +
else
	find /var/log -type f -cnewer /dev/shm/start -exec truncate -s 0 {} +
	rm -rf /var/cache/ldconfig/aux-cache /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old
	rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-
fi
find / -xdev $mounts -cnewer /dev/shm/start -newermt "@$SOURCE_DATE_EPOCH" \( -links 1 -o -type d -o -newer /dev/shm/start \) -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
SH
