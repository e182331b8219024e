# Completion of penctl for fish. Written from the options and commands of Pen: npm run reference writes it again.

function __pen_commands
    echo 'server'\t'Change server N, or make it'
    echo 'servers'\t'Tell about all servers'
    echo 'roundrobin'\t'Clients do not keep their server'
    echo 'prio'\t'Choose the server with the lowest prio'
    echo 'weight'\t'Choose the server with fewest connections per weight'
    echo 'leastconn'\t'Choose the server with fewest connections'
    echo 'hash'\t'Choose a server by the client\'s address'
    echo 'peek'\t'Choose a server when the client has said something'
    echo 'dummy'\t'Answer clients by a line of HTML, without a server'
    echo 'stubborn'\t'Close clients whose server fails, try no other'
    echo 'blacklist'\t'Seconds for which a failed server is passed over (30)'
    echo 'mode'\t'Tell how servers are chosen'
    echo 'emergency'\t'The server used when no other can be reached'
    echo 'abuse'\t'The server for clients that client_acl denies'
    echo 'tracking'\t'Seconds for which clients keep their server; 0 for ever'
    echo 'clients_max'\t'Clients remembered at most (2048); only grows'
    echo 'client_prefix'\t'Bits of IPv6 that tell one client from another (128)'
    echo 'clients'\t'Tell about all clients that are remembered'
    echo 'recent'\t'Tell who came within the last seconds (300)'
    echo 'acl'\t'Add an entry to an access list; no: empty the list'
    echo 'geoip'\t'Take countries from this MaxMind file; no: the usual one'
    echo 'client_acl'\t'Access list that clients must pass (0)'
    echo 'control_acl'\t'Access list for this control port (0)'
    echo 'source_max'\t'Connections of one address at once, 0 for no bound'
    echo 'parked_max'\t'Connections beyond source_max that may wait'
    echo 'trusted_acl'\t'Access list of addresses that source_max does not bind'
    echo 'conn_max'\t'Connections at once (500); only grows'
    echo 'pending_max'\t'Connections that wait for their server at once (100)'
    echo 'timeout'\t'Seconds after which a connect is given up (3)'
    echo 'idle_timeout'\t'Seconds without progress that end a connection; 0 off'
    echo 'half_closed_timeout'\t'The same once one direction has ended; 0 as idle_timeout'
    echo 'tcp_fastclose'\t'Whose end of stream ends the connection (off)'
    echo 'tcp_nodelay'\t'Send small packets at once (on)'
    echo 'source'\t'Address that connections to servers come from'
    echo 'idlers'\t'Connections to servers that are kept without a client (0)'
    echo 'keepalive'\t'Probe idle servers by TCP keepalive (off)'
    echo 'connections'\t'Tell about all connections that are in use'
    echo 'connection'\t'Tell about connection N (0)'
    echo 'socket'\t'Tell which connection a descriptor belongs to'
    echo 'close'\t'End connection N at once'
    echo 'listen'\t'Where clients come to; those that are there stay'
    echo 'accept_batch'\t'Accept at most so many connections per wake-up (100)'
    echo 'backlog'\t'Clients that may wait to be accepted (500)'
    echo 'control'\t'Where commands come to; at start only'
    echo 'status'\t'Tell about everything, as a page in HTML'
    echo 'web_stats'\t'File that USR1 and status write that page to'
    echo 'log'\t'Log what clients send, to a file or to penlogd'
    echo 'connection_log'\t'Log each connection when it has ended, as JSON'
    echo 'pid'\t'Tell the process number'
    echo 'exit'\t'End Pen, if it was started with -X'
    echo 'allow_exit'\t'Obey the command exit (off)'
    echo 'pid_file'\t'Where the process number is kept; at start only'
    echo 'debug'\t'How much is told; 3 dumps what is transferred (0)'
    echo 'ascii'\t'Dumps show text instead of numbers (off)'
    echo 'abort_on_error'\t'End by SIGABRT, which leaves a core, after an error'
    echo 'workers'\t'Threads that move the bytes (1); at start only'
    echo 'uring'\t'Use io_uring; at start only'
    echo 'epoll'\t'Use epoll; at start only'
    echo 'node'\t'Use Node\'s own loop; at start only'
    echo 'poll'\t'Accepted for old scripts; changes nothing'
    echo 'select'\t'Accepted for old scripts; changes nothing'
    echo 'kqueue'\t'Accepted for old scripts; changes nothing'
    echo 'farm'\t'Do a command for a farm with a name; no: end the farm'
    echo 'farms'\t'Tell which farms there are'
    echo 'include'\t'Obey the commands of a file, all or none'
    echo 'reload'\t'Read the file of -F again, as SIGHUP does'
    echo 'plan'\t'Tell what reload would change, and do nothing'
    echo 'write'\t'Save all settings to a file'
    echo 'control_dir'\t'The folder of all files that control commands name'
    echo 'help'\t'Tell which commands there are, or about one of them'
    echo 'no'\t'Turn off, or empty, what is named'
end

# Prints the words that are written, the wish for JSON left out.
function __penctl_words
    string match -v -- --json (commandline -opc)
end

# Prints what may follow the words of a command.
function __penctl_follow
    set -l words (__penctl_words)[3..-1]
    if test (count $words) -eq 0
        __pen_commands
        return
    end
    if test (count $words) -gt 2; and test "$words[1]" = farm
        if test "$words[3..-1]" = no
            echo 'roundrobin'\t'Clients do not keep their server'
            echo 'prio'\t'Choose the server with the lowest prio'
            echo 'weight'\t'Choose the server with fewest connections per weight'
            echo 'leastconn'\t'Choose the server with fewest connections'
            echo 'hash'\t'Choose a server by the client\'s address'
            echo 'peek'\t'Choose a server when the client has said something'
            echo 'dummy'\t'Answer clients by a line of HTML, without a server'
            echo 'stubborn'\t'Close clients whose server fails, try no other'
            echo 'emergency'\t'The server used when no other can be reached'
            echo 'abuse'\t'The server for clients that client_acl denies'
            return
        end
        set -e words[1..2]
    end
    set -l command $words[1]
    if test "$command" = no
        if test (count $words) -eq 1
            echo 'roundrobin'\t'Clients do not keep their server'
            echo 'prio'\t'Choose the server with the lowest prio'
            echo 'weight'\t'Choose the server with fewest connections per weight'
            echo 'leastconn'\t'Choose the server with fewest connections'
            echo 'hash'\t'Choose a server by the client\'s address'
            echo 'peek'\t'Choose a server when the client has said something'
            echo 'dummy'\t'Answer clients by a line of HTML, without a server'
            echo 'stubborn'\t'Close clients whose server fails, try no other'
            echo 'emergency'\t'The server used when no other can be reached'
            echo 'abuse'\t'The server for clients that client_acl denies'
            echo 'acl'\t'Add an entry to an access list; no: empty the list'
            echo 'geoip'\t'Take countries from this MaxMind file; no: the usual one'
            echo 'tcp_nodelay'\t'Send small packets at once (on)'
            echo 'source'\t'Address that connections to servers come from'
            echo 'idlers'\t'Connections to servers that are kept without a client (0)'
            echo 'keepalive'\t'Probe idle servers by TCP keepalive (off)'
            echo 'web_stats'\t'File that USR1 and status write that page to'
            echo 'log'\t'Log what clients send, to a file or to penlogd'
            echo 'connection_log'\t'Log each connection when it has ended, as JSON'
            echo 'allow_exit'\t'Obey the command exit (off)'
            echo 'pid_file'\t'Where the process number is kept; at start only'
            echo 'ascii'\t'Dumps show text instead of numbers (off)'
            echo 'abort_on_error'\t'End by SIGABRT, which leaves a core, after an error'
            echo 'farm'\t'Do a command for a farm with a name; no: end the farm'
            echo 'control_dir'\t'The folder of all files that control commands name'
            return
        end
        set command "no $words[2]"
        set -e words[1]
    end
    set -e words[1]
    switch "$command "(count $words)
        case 'server 1' 'server 3' 'server 5' 'server 7' 'server 9' 'server 11' 'server 13' 'server 15'
            printf '%s\n' acl address port max hard weight prio blacklist
        case 'hash 0'
            printf '%s\n' original
        case 'client_prefix 0'
            printf '%s\n' 128 64
        case 'acl 1'
            printf '%s\n' permit deny
        case 'acl 2'
            printf '%s\n' country unix
        case 'geoip 0'
            __fish_complete_path (commandline -ct)
        case 'source_max 0'
            printf '%s\n' auto
        case 'parked_max 0'
            printf '%s\n' auto
        case 'trusted_acl 0'
            printf '%s\n' none
        case 'tcp_fastclose 0'
            printf '%s\n' up down both off
        case 'listen 0'
            __fish_complete_path (commandline -ct)
        case 'control 0'
            __fish_complete_path (commandline -ct)
        case 'web_stats 0'
            __fish_complete_path (commandline -ct)
        case 'log 0'
            __fish_complete_path (commandline -ct)
        case 'connection_log 0'
            __fish_complete_path (commandline -ct)
        case 'pid_file 0'
            __fish_complete_path (commandline -ct)
        case 'farm 1'
            printf '%s\n' abuse blacklist client_acl client_prefix clients clients_max close connection connections dummy emergency half_closed_timeout hash idle_timeout include leastconn listen mode peek prio recent roundrobin server servers socket status stubborn tcp_fastclose timeout tracking weight no
        case 'include 0'
            __fish_complete_path (commandline -ct)
        case 'plan 0'
            __fish_complete_path (commandline -ct)
        case 'write 0'
            __fish_complete_path (commandline -ct)
        case 'control_dir 0'
            __fish_complete_path (commandline -ct)
        case 'help 0'
            printf '%s\n' server servers roundrobin prio weight leastconn hash peek dummy stubborn blacklist mode emergency abuse tracking clients_max client_prefix clients recent acl geoip client_acl control_acl source_max parked_max trusted_acl conn_max pending_max timeout idle_timeout half_closed_timeout tcp_fastclose tcp_nodelay source idlers keepalive connections connection socket close listen accept_batch backlog control status web_stats log connection_log pid exit allow_exit pid_file debug ascii abort_on_error workers uring epoll node poll select kqueue farm farms include reload plan write control_dir
    end
end

complete -c penctl -n 'test (count (__penctl_words)) -eq 1' -F
complete -c penctl -n 'test (count (__penctl_words)) -eq 1' -l json -d 'answer with a JSON document'
complete -c penctl -n 'test (count (__penctl_words)) -gt 1' -f -a '(__penctl_follow)'
