# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# Completion of jkbmsctl for bash. Verbs, names and keys come from the program and the running
# daemon, so there is nothing here to keep up to date.

_jkbmsctl ()
{
  local cur=${COMP_WORDS[COMP_CWORD]} word verb= args=0 skip= first= previous= help=
  local -a global=() what=()
  COMPREPLY=()

  # The words before this one: global options, the verb, its arguments.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ -n $skip ]]; then
      [[ $skip == --bus-address ]] && global+=(--bus-address "$word")
      skip=
      continue
    fi
    case $word in
      --bus-address|--time|--baud|--diff|--export|--since|--until|--points) skip=$word ;;
      --session|--system) global+=("$word") ;;
      -*|=) ;;
      *)
        if [[ -z $verb$help && $word == help ]]; then
          help=yes
        elif [[ -z $verb ]]; then
          verb=$word
        elif [[ $verb == bus || $verb == mqtt || $verb == config ]]; then
          verb+=" $word"
        else
          args=$((args + 1))
          [[ $args == 1 ]] && first=$word
        fi
        ;;
    esac
    [[ $word != = ]] && previous=$word
  done

  # What follows a "=" is a word of its own here.
  if [[ $cur == = || ${COMP_WORDS[COMP_CWORD-1]} == = ]]; then
    [[ $cur == = ]] && cur=
    what=($(jkbmsctl complete values "$previous" 2>/dev/null))
  elif [[ $skip == --export ]]; then
    COMPREPLY=($(compgen -f -- "$cur"))
    compopt -o filenames 2>/dev/null
    return
  elif [[ $skip == --diff ]]; then
    what=($(jkbmsctl "${global[@]}" complete ids 2>/dev/null))
  elif [[ -n $skip ]]; then
    return
  elif [[ $cur == -* ]]; then
    what=($(jkbmsctl $verb --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*' | sort -u))
  else
    case $verb:$args in
      :0) what=($(jkbmsctl complete verbs 2>/dev/null | cut -d ' ' -f 1 | sort -u)) ;;
      bus:0|mqtt:0|config:0) what=($(jkbmsctl complete verbs 2>/dev/null | sed -n "s/^$verb //p")) ;;
      *) [[ -z $help ]] || return ;;&
      monitor:*) what=($(jkbmsctl "${global[@]}" complete ids 2>/dev/null; jkbmsctl complete keys 2>/dev/null)) ;;
      show:0|get:0|history:0|forget:0|set:0|settings:0|apply:0|snapshots:0|restore:0)
        what=($(jkbmsctl "${global[@]}" complete ids 2>/dev/null)) ;;
      get:1) what=($(jkbmsctl complete keys 2>/dev/null)) ;;
      history:1) what=($(jkbmsctl "${global[@]}" complete history-keys "$first" 2>/dev/null)) ;;
      set:*) what=($(jkbmsctl complete settings 2>/dev/null)) ;;
      restore:1) what=($(jkbmsctl "${global[@]}" complete snapshots "$first" 2>/dev/null)) ;;
      bus\ scan:0|bus\ remove:0|bus\ set:0|capture:0)
        what=($(jkbmsctl "${global[@]}" complete buses 2>/dev/null)) ;;
      bus\ set:*|bus\ add:[2-9]*) what=($(jkbmsctl complete bus-options 2>/dev/null)) ;;
      mqtt\ set:*) what=($(jkbmsctl complete mqtt-options 2>/dev/null)) ;;
      doctor:0)
        what=($(jkbmsctl "${global[@]}" complete buses 2>/dev/null)
              /dev/serial/by-id/* /dev/serial/by-path/* /dev/ttyUSB* /dev/ttyACM*) ;;
      decode:0|apply:1|capture:1)
        COMPREPLY=($(compgen -f -- "$cur"))
        compopt -o filenames 2>/dev/null
        return
        ;;
    esac
  fi
  for word in "${what[@]}"; do
    [[ $word == "$cur"* && $word != *'*' ]] && COMPREPLY+=("$word")
  done
  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}

complete -F _jkbmsctl jkbmsctl
