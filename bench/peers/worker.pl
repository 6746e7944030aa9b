#!/usr/bin/perl
# What Perl has, as workers of shmark (lib/crew/WORKER.md):
#
#   read, write                 one shared scalar of IPC::Shareable, without its lock
#   locked_read, locked_write   the same under its lock
#   mixed                       read_percent of them locked reads, the others locked writes
#   storable_encode, storable_decode   freeze and thaw of Storable
#
# The scalar has payload_bytes bytes, all alike, and its segment has room for no more, since
# IPC::Shareable copies all of it each time. Worker 0 makes it, and removes it when it ends, by
# SIGTERM, too. The others attach to it. The shapes are those of lib/subject/shapes.h.
use strict;
use warnings;
use JSON::PP;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID);

$| = 1;
$SIG{$_} = sub { exit 0 } for qw(HUP INT TERM);    # so that END blocks run: they remove it

sub node {
    my ($number, $depth) = @_;
    my @children = $depth == 0 ? () : map { node(2 * $number + $_, $depth - 1) } 0, 1;
    return { number => $number, children => \@children };
}

my $key_count = 100;
my %shapes = (
    u64  => sub { \(my $number = 1) },
    flat => sub { { id => 4711, count => -3, ratio => 0.375, parts => [1 .. 8] } },
    map100 =>
      sub { return { map { 'key' . (10000 + $_) => "value of number $_" } 0 .. $key_count - 1 } },
    doubles64k => sub { [map { $_ / 3 } 0 .. 2**16 - 1] },
    doubles1m  => sub { [map { $_ / 3 } 0 .. 2**17 - 1] },
    strings    => sub { [map { 'string ' . (10000 + $_) } 0 .. 9999] },
    tree       => sub { node(1, 10) },
);

# --- The operations: each maker returns what to say after `ready`, the operation, and a check of
# what it did, which dies.

my ($shared, $knot);

sub attach {
    my ($asked) = @_;
    return if $knot;
    $knot = tie $shared, 'IPC::Shareable', {
        key       => $asked->{prefix},
        create    => $asked->{index} == 0,
        exclusive => $asked->{index} == 0,
        destroy   => $asked->{index} == 0,
        mode      => 0600,
        size      => $asked->{payload_bytes} + 256,    # Storable's and its own headers
    };
    $shared = 'a' x $asked->{payload_bytes} if $asked->{index} == 0;
}

sub store_operation {
    my ($asked) = @_;
    attach($asked);
    my $size   = $asked->{payload_bytes};
    my @values = map { chr(ord('a') + $_) x $size } 0 .. 25;
    my $next   = $asked->{index};
    my $seen   = $values[0];

    my $read  = sub { $seen   = $shared };
    my $write = sub { $shared = $values[$next++ % 26] };
    my $locked_read = sub {
        $knot->lock(IPC::Shareable::LOCK_SH());
        $seen = $shared;
        $knot->unlock;
    };
    my $locked_write = sub {
        $knot->lock;
        $shared = $values[$next++ % 26];
        $knot->unlock;
    };
    srand($asked->{seed} % 2**32 + $asked->{index});
    my $share     = $asked->{read_percent} // 50;
    my %operation = (
        read         => $read,
        write        => $write,
        locked_read  => $locked_read,
        locked_write => $locked_write,
        mixed        => sub { rand(100) < $share ? $locked_read->() : $locked_write->() },
    );
    my $check = sub {
        $locked_read->();
        my $first = substr $seen, 0, 1;
        die "the shared value is none that was written\n"
          if length($seen) != $size || $seen ne $first x $size;
    };
    my %made =
      $asked->{index} == 0
      ? (segments => [$knot->seg->id], semaphores => [$knot->sem->id])
      : ();
    return ({ bytes => $size, %made }, $operation{ $asked->{op} }, $check);
}

sub codec_operation {
    my ($asked) = @_;
    my $value = $shapes{ $asked->{shape} }->();
    my $bytes = Storable::freeze($value);
    my $copy  = Storable::thaw($bytes);
    my %operation = (
        storable_encode => sub { $bytes = Storable::freeze($value) },
        storable_decode => sub { $copy  = Storable::thaw($bytes) },
    );
    my $check = sub {
        no warnings 'once';
        local $Storable::canonical = 1;
        my $wanted = Storable::freeze($value);
        for my $got ($copy, Storable::thaw($bytes)) {
            die "what Storable decodes is not what it encoded\n" if Storable::freeze($got) ne $wanted;
        }
    };
    return ({ bytes => length $bytes }, $operation{ $asked->{op} }, $check);
}

my %stores = map { $_ => 1 } qw(read write locked_read locked_write mixed);
my %codecs = map { $_ => 1 } qw(storable_encode storable_decode);

# What is missing for it, if anything.
sub missing_for {
    my ($asked) = @_;
    my $module = $stores{ $asked->{op} } ? 'IPC/Shareable.pm' : 'Storable.pm';
    return if eval { require $module; 1 } && (!$asked->{shape} || $shapes{ $asked->{shape} });
    return "shape $asked->{shape} in worker.pl" if $INC{$module};
    $module =~ s{/}{::}g;
    $module =~ s{\.pm$}{};
    return "Perl's $module (tools/setup --peers installs it)";
}

# --- The protocol.

# A duration as the least of those that are counted together: 32 to an octave, as lib/measure does.
sub bucket {
    my ($ns) = @_;
    my $step = 1;
    $step *= 2 while $ns >= 64 * $step;
    return $step * int($ns / $step);
}

sub ns { return int($_[0] * 1e9) }

# A look at the clock costs as much as a quick operation: so between two there are more and more of
# these, but for no longer than some 20 microseconds.
my ($briefly, $long, $stride_max) = (10e-6, 40e-6, 64);

sub measure {
    my ($operation, $every, $length_ns) = @_;
    my $largest = $every ? $every - 1 : $stride_max;    # 0: all are timed
    my ($count, $until_timed, $stride, @durations) = (0, 0, 1);
    my $cpu   = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
    my $begin = clock_gettime(CLOCK_MONOTONIC);
    my $end   = $begin + $length_ns / 1e9;
    my $now   = $begin;
    do {
        if ($every && $until_timed <= 0) {
            my $from = clock_gettime(CLOCK_MONOTONIC);
            $operation->();
            $now = clock_gettime(CLOCK_MONOTONIC);
            push @durations, $now - $from;
            ++$count;
            $until_timed = $largest;
        }
        if ($largest) {
            my $from = $now;
            $stride = $largest if $stride > $largest;
            $operation->() for 1 .. $stride;
            $now = clock_gettime(CLOCK_MONOTONIC);
            $count       += $stride;
            $until_timed -= $stride;
            $stride *= 2        if $now - $from < $briefly;
            $stride = int($stride / 2) if $now - $from > $long && $stride > 1;
        }
    } while ($now < $end);
    my %done = (
        operations => $count,
        elapsed_ns => ns($now - $begin),
        cpu_ns     => ns(clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $cpu),
    );
    my %times;
    ++$times{ bucket(ns($_)) } for @durations;
    $done{durations_ns} = [map { [$_ + 0, $times{$_}] } sort { $a <=> $b } keys %times];
    return \%done;
}

my $json = JSON::PP->new->canonical;
my ($operation, $check, $every);

sub prepare {
    my ($asked) = @_;
    my $missing = missing_for($asked);
    return "missing $missing" if $missing;
    (my $ready, $operation, $check) =
      $stores{ $asked->{op} } ? store_operation($asked) : codec_operation($asked);
    $every = $asked->{time_every};
    return 'ready ' . $json->encode($ready);
}

sub run {
    my ($length_ns) = @_;
    my $done = measure($operation, $every, $length_ns);
    $check->();
    return 'done ' . $json->encode($done);
}

sub answer {
    my ($line) = @_;
    return prepare($json->decode($1)) if $line =~ /^prepare (.*)/;
    return run($1)                    if $line =~ /^go (\d+)/;
    die "there is no such line: $line\n";
}

print "hello shmark-worker 1 @{[sort keys %stores, keys %codecs]}\n";
while (my $line = <STDIN>) {
    my $said = eval { answer($line) };
    if (!defined $said) {
        ($said = "failed $@") =~ s/\s+/ /g;
    }
    print "$said\n";
}
