# Completion of pen and penctl for bash. Written from the options and commands of Pen: npm run reference writes it again.

_pen_commands() {
  echo 'server servers roundrobin prio weight leastconn hash peek dummy stubborn blacklist mode emergency abuse tracking clients_max client_prefix clients recent acl geoip client_acl control_acl source_max parked_max trusted_acl conn_max pending_max timeout idle_timeout half_closed_timeout tcp_fastclose tcp_nodelay source idlers keepalive connections connection socket close listen accept_batch backlog control status web_stats log connection_log pid exit allow_exit pid_file debug ascii abort_on_error workers uring epoll node poll select kqueue farm farms include reload plan write control_dir help no'
}

# Proposes what may follow the words of a command.
_pen_follow() {
  if [ $# -eq 0 ]; then
    _pen_propose "$(_pen_commands)"
    return
  fi
  if [ $# -gt 2 ] && [ "$1" = farm ]; then
    if [ "$3 $#" = 'no 3' ]; then
      _pen_propose 'roundrobin prio weight leastconn hash peek dummy stubborn emergency abuse'
      return
    fi
    shift 2
  fi
  local command=$1
  if [ "$1" = no ]; then
    if [ $# -eq 1 ]; then
      _pen_propose 'roundrobin prio weight leastconn hash peek dummy stubborn emergency abuse acl geoip tcp_nodelay source idlers keepalive web_stats log connection_log allow_exit pid_file ascii abort_on_error farm control_dir'
      return
    fi
    command="no $2"
    shift
  fi
  shift
  case "$command $#" in
  'server 1' | 'server 3' | 'server 5' | 'server 7' | 'server 9' | 'server 11' | 'server 13' | 'server 15') _pen_propose 'acl address port max hard weight prio blacklist' ;;
  'hash 0') _pen_propose 'original' ;;
  'client_prefix 0') _pen_propose '128 64' ;;
  'acl 1') _pen_propose 'permit deny' ;;
  'acl 2') _pen_propose 'country unix' ;;
  'geoip 0') compopt -o default ;;
  'source_max 0') _pen_propose 'auto' ;;
  'parked_max 0') _pen_propose 'auto' ;;
  'trusted_acl 0') _pen_propose 'none' ;;
  'tcp_fastclose 0') _pen_propose 'up down both off' ;;
  'listen 0') compopt -o default ;;
  'control 0') compopt -o default ;;
  'web_stats 0') compopt -o default ;;
  'log 0') compopt -o default ;;
  'connection_log 0') compopt -o default ;;
  'pid_file 0') compopt -o default ;;
  'farm 1') _pen_propose 'abuse blacklist client_acl client_prefix clients clients_max close connection connections dummy emergency half_closed_timeout hash idle_timeout include leastconn listen mode peek prio recent roundrobin server servers socket status stubborn tcp_fastclose timeout tracking weight no' ;;
  'include 0') compopt -o default ;;
  'plan 0') compopt -o default ;;
  'write 0') compopt -o default ;;
  'control_dir 0') compopt -o default ;;
  'help 0') _pen_propose 'server servers roundrobin prio weight leastconn hash peek dummy stubborn blacklist mode emergency abuse tracking clients_max client_prefix clients recent acl geoip client_acl control_acl source_max parked_max trusted_acl conn_max pending_max timeout idle_timeout half_closed_timeout tcp_fastclose tcp_nodelay source idlers keepalive connections connection socket close listen accept_batch backlog control status web_stats log connection_log pid exit allow_exit pid_file debug ascii abort_on_error workers uring epoll node poll select kqueue farm farms include reload plan write control_dir' ;;
  esac
}

_pen_propose() {
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

# Cuts the line into words, at blanks alone: bash would cut at the colons of addresses, too. Sets cur to the word that is
# being written, and words to those between it and the name of the program.
_pen_cut() {
  local line=${COMP_LINE:0:COMP_POINT} program=$1
  read -ra words <<<"$line"
  cur=
  if [[ $line != *[[:space:]] ]]; then
    cur=${words[${#words[@]} - 1]}
    words=("${words[@]:0:${#words[@]} - 1}")
  fi
  while [ ${#words[@]} -gt 0 ] && [ "${words[0]}" != "$program" ]; do
    words=("${words[@]:1}")
  done
  words=("${words[@]:1}")
}

_penctl() {
  local cur words
  COMPREPLY=()
  _pen_cut "$1"
  while [ "${words[0]}" = --json ]; do
    words=("${words[@]:1}")
  done
  if [ ${#words[@]} -gt 0 ]; then
    _pen_follow "${words[@]:1}"
  elif [[ $cur == -* ]]; then
    _pen_propose --json
  else
    compopt -o default
  fi
}

_pen() {
  local cur words last=
  COMPREPLY=()
  _pen_cut "$1"
  if [ ${#words[@]} -gt 0 ]; then
    last=${words[${#words[@]} - 1]}
  fi
  case "$last" in
  -O) _pen_propose "$(_pen_commands)" ;;
  -C | -F | -p | -w | -l | --check) compopt -o default ;;
  -j) compopt -o dirnames ;;
  -u) COMPREPLY=($(compgen -u -- "$cur")) ;;
  -e | -B) COMPREPLY=($(compgen -A hostname -- "$cur")) ;;
  -b | -t | -T | -c | -x | -m | -q) : ;;
  *)
    case "$cur" in
    -*) _pen_propose '-r -W -h -s -b -t -T -c -x -m -q -e -B -C -X -O -F -p -w -l -u -j -d -a -f --check --help --version' ;;
    *) COMPREPLY=($(compgen -A hostname -- "$cur")) ;;
    esac
    ;;
  esac
}

complete -F _pen pen
complete -F _penctl penctl
